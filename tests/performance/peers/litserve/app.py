"""LitServe after its README: a LitAPI with setup, decode, predict, encode."""

import os
import sys
from typing import Any

import joblib
import litserve
import pandas as pd


class Scoring(litserve.LitAPI):
    """One row in, one label out."""

    def setup(self, device: str) -> None:
        """Load the model."""
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request: dict[str, Any]) -> Any:
        """Make rows of a request: a list of numbers, or an object of named fields."""
        row = request["features"]
        return pd.DataFrame([row]) if isinstance(row, dict) else [row]

    def predict(self, x: Any) -> Any:
        """Predict them."""
        return self.model.predict(x)

    def encode_response(self, output: Any) -> dict[str, str]:
        """Make the answer."""
        return {"prediction": str(output[0])}


if __name__ == "__main__":
    server = litserve.LitServer(Scoring(), accelerator="cpu")
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False)
