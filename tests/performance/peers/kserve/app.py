"""KServe's python server after its documentation: a Model with load and predict."""

import os
import sys
from typing import Any

import joblib
import kserve
import pandas as pd


class Scoring(kserve.Model):
    """Rows in, labels out, by the V1 protocol."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.load()

    def load(self) -> bool:
        """Load the model."""
        self.model = joblib.load(os.environ["MODEL"])
        self.ready = True
        return self.ready

    def predict(self, payload: dict[str, Any], headers: Any = None, **_: Any) -> dict[str, Any]:
        """Predict rows: lists of numbers, or objects of named fields."""
        rows = payload["instances"]
        known = pd.DataFrame(rows) if isinstance(rows[0], dict) else rows
        return {"predictions": self.model.predict(known).tolist()}


if __name__ == "__main__":
    model_server = kserve.ModelServer(http_port=int(sys.argv[1]), enable_grpc=False)
    model_server.start([Scoring("model")])
