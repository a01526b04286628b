"""Models and data that the tests of packaging share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from inference.packaging import About

X, y = load_iris(return_X_y=True)
NAMES = load_iris().target_names[y]
ABOUT = About("model")
#: Fitted on an array, answers with names.
FITTED = LogisticRegression(max_iter=1000).fit(X, NAMES)
PEOPLE = pd.DataFrame(
    {
        "age": [20, 30, 40, 50] * 5,
        "income": [1.5, 2.5, np.nan, 4.0] * 5,
        "job": ["a", "b", "c", "a"] * 5,
        "owner": [True, False] * 10,
    }
)
ANSWERS = ["yes", "no"] * 10


def people_model() -> Any:
    """Return a pipeline that was fitted on `PEOPLE`."""
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["income"]),
        ("passthrough", ["age"]),
        (OneHotEncoder(), ["job"]),
        (OneHotEncoder(handle_unknown="ignore"), ["owner"]),
    )
    return make_pipeline(columns, LogisticRegression()).fit(PEOPLE, ANSWERS)
