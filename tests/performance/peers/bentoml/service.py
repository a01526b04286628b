"""BentoML after its «Hello world»: a service class with an API method."""

import os

import bentoml
import joblib


@bentoml.service
class Scoring:
    """One row of numbers in, one label out."""

    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, features: list[float]) -> dict[str, str]:
        """Predict one row."""
        return {"prediction": str(self.model.predict([features])[0])}
