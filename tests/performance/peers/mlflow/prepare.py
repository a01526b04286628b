"""Save the model as MLflow wants it: `python prepare.py FOLDER`."""

import os
import sys

import joblib
import mlflow.sklearn

mlflow.sklearn.save_model(
    joblib.load(os.environ["MODEL"]),
    sys.argv[1],
    pip_requirements=[],
    serialization_format="pickle",
)
