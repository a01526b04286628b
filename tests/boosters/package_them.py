"""Fit models of XGBoost and LightGBM, package them, and tell what they answer: run where they are.

`python package_them.py FOLDER`: prints JSON, for each model what its bundle says and predicts.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from tridock.inference.packaging.package import About, package

warnings.simplefilter("ignore")
X, y = load_iris(return_X_y=True)
HOLES = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
LIGHT = {"n_estimators": 20, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
STEEP = {"n_estimators": 20, "max_depth": 4, "n_jobs": 1}
MODELS: dict[str, tuple[Any, Any, Any]] = {
    "xgb-three": (XGBClassifier(**STEEP), X, y),
    "xgb-two": (XGBClassifier(**STEEP), HOLES, (y == 1).astype(int)),
    "xgb-number": (XGBRegressor(**STEEP), X[:, 1:], X[:, 0]),
    "xgb-scaled": (make_pipeline(StandardScaler(), XGBClassifier(**STEEP)), X, y),
    "lgbm-three": (LGBMClassifier(**LIGHT), X, y),
    "lgbm-two": (LGBMClassifier(**LIGHT), HOLES, (y == 1).astype(int)),
    "lgbm-number": (LGBMRegressor(**LIGHT), X[:, 1:], X[:, 0]),
    "lgbm-scaled": (make_pipeline(StandardScaler(), LGBMClassifier(**LIGHT)), X, y),
}


def main(folder: Path) -> None:
    """Package each, and print what there is to know."""
    told = {}
    for name, (estimator, rows, target) in MODELS.items():
        bundle = package(estimator.fit(rows, target), rows, folder / name, about=About(name))
        compiled = bundle.manifest.compiled
        told[name] = {
            "compiled": compiled and vars(compiled),
            "reason": bundle.manifest.not_compiled,
            "rows": [[None if cell != cell else cell for cell in row] for row in rows.tolist()],
            "answers": estimator.predict(rows).tolist(),
        }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
