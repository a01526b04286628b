"""FastAPI as tutorials write it: a model loaded on top, a pydantic body, a plain `def`."""

import os

import joblib
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL"])


class Row(BaseModel):
    """One row of numbers."""

    features: list[float]


@app.post("/predict")
def predict(row: Row) -> dict[str, str]:
    """Predict one row."""
    return {"prediction": str(model.predict([row.features])[0])}
