"""Flask as tutorials write it, for gunicorn."""

import os

import joblib
import pandas as pd
from flask import Flask, jsonify, request
from flask.wrappers import Response

app = Flask(__name__)
model = joblib.load(os.environ["MODEL"])


@app.route("/predict", methods=["POST"])
def predict() -> Response:
    """Predict one row, a list of numbers or an object of named fields."""
    row = request.get_json()["features"]
    rows = pd.DataFrame([row]) if isinstance(row, dict) else [row]
    return jsonify({"prediction": str(model.predict(rows)[0])})
