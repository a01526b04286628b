"""BentoML after its «Hello world», for rows of named fields."""

import os
from typing import Any

import bentoml
import joblib
import pandas as pd


@bentoml.service
class Scoring:
    """One application in, one decision out."""

    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, features: dict[str, Any]) -> dict[str, str]:
        """Predict one application."""
        return {"prediction": str(self.model.predict(pd.DataFrame([features]))[0])}
