"""Models of XGBoost, LightGBM and imbalanced-learn on frames: run where these are installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import XGBClassifier, XGBRegressor

from tests.zoo import frames

XGB = {"n_estimators": 20, "max_depth": 3, "n_jobs": 1}
LIGHT = {"n_estimators": 20, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}


def _fit(estimator: Any, data: tuple[Any, Any]) -> tuple[Any, Any]:
    return estimator.fit(*data), data[0]


def _sensors() -> tuple[Any, Any]:
    frame, target = frames.sensors()
    return frame, (target == "fault").astype(int)


def _prices() -> tuple[Any, Any]:
    frame, target = frames.houses()
    return frame[["LotArea", "YearBuilt", "GarageCars"]], target


def _columns() -> Any:
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["Sex", "Embarked"]), remainder="passthrough"
    )


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "XGBoost on a frame": lambda: _fit(XGBClassifier(**XGB), _sensors()),
    "XGBoost, prices": lambda: _fit(XGBRegressor(**XGB), _prices()),
    "XGBoost after one-hot": lambda: _fit(
        make_pipeline(_columns(), XGBClassifier(**XGB)), frames.passengers()
    ),
    "XGBoost in a search": lambda: _fit(
        RandomizedSearchCV(XGBClassifier(**XGB), {"max_depth": [2, 3]}, n_iter=2, cv=2), _sensors()
    ),
    "LightGBM on a frame": lambda: _fit(LGBMClassifier(**LIGHT), _sensors()),
    "LightGBM, prices": lambda: _fit(LGBMRegressor(**LIGHT), _prices()),
    "LightGBM after one-hot": lambda: _fit(
        make_pipeline(_columns(), LGBMClassifier(**LIGHT)), frames.passengers()
    ),
    "oversampled": lambda: _fit(
        make_sampling_pipeline(RandomOverSampler(random_state=0), LogisticRegression()),
        (frames.sensors()[0].fillna(0.0), frames.sensors()[1]),
    ),
}
