"""A scoring script after Azure ML's documentation: init() and run()."""

import json
import os
from typing import Any

import joblib
import pandas as pd

model: Any = None


def init() -> None:
    """Load the model."""
    global model
    model = joblib.load(os.environ["MODEL"])


def run(raw_data: str) -> dict[str, str]:
    """Predict one row, a list of numbers or an object of named fields."""
    row = json.loads(raw_data)["features"]
    rows = pd.DataFrame([row]) if isinstance(row, dict) else [row]
    return {"prediction": str(model.predict(rows)[0])}
