"""FastAPI as tutorials write it, for rows of named fields."""

import os

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL"])


class Application(BaseModel):
    """One application for a loan."""

    age: int
    income: float | None
    credit_score: int
    employment: str
    loan_amount: float
    term_months: int
    purpose: str


@app.post("/predict")
def predict(application: Application) -> dict[str, str]:
    """Predict one application."""
    rows = pd.DataFrame([application.model_dump()])
    return {"prediction": str(model.predict(rows)[0])}
