"""Models and data that the tests of packaging share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tridock.inference.packaging.package import About

#: What models that hold the functions and classes of this module are packaged with.
TESTS = Path(__file__).parents[1]
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


def squared(rows: Any) -> Any:
    return rows**2


class Own:
    """Predicts, and knows nothing of scikit-learn."""

    def predict(self, rows: Any) -> list[float]:
        return [float(row[0]) * 2 for row in rows]


class Fickle:
    """Never answers the same."""

    def __init__(self) -> None:
        self.count = 0

    def predict(self, rows: Any) -> list[float]:
        self.count += 1
        return [float(self.count) for _ in rows]
