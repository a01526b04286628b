"""Models of the kinds that public repositories hold, each with the rows it was fitted on."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import Lasso, LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC

from tests.zoo import frames

Fitted: TypeAlias = tuple[Any, Any]
Data: TypeAlias = tuple[Any, Any]


def _logistic() -> Any:
    return LogisticRegression(max_iter=2000)


def _hot(**options: Any) -> Any:
    return OneHotEncoder(handle_unknown="ignore", **options)


def _passenger(encoder: Any, last: Any = None, imputer: Any = None) -> Any:
    columns = make_column_transformer(
        (encoder, ["Sex", "Embarked"]),
        (SimpleImputer() if imputer is None else imputer, ["Age", "Fare", "Pclass"]),
    )
    return make_pipeline(columns, _logistic() if last is None else last)


def _house(last: Any) -> Any:
    columns = make_column_transformer(
        (_hot(), ["Alley", "Zoning"]),
        (SimpleImputer(strategy="median"), ["LotArea", "YearBuilt", "GarageCars"]),
    )
    return make_pipeline(columns, last)


def _customer(last: Any) -> Any:
    columns = make_column_transformer(
        (SimpleImputer(), ["tenure", "charge"]),
        (_hot(), ["contract", "partner"]),
        remainder="passthrough",
    )
    return make_pipeline(columns, last)


def _income(encoder: Any, last: Any) -> Any:
    return make_pipeline(
        make_column_transformer((encoder, ["workclass", "education"]), remainder=StandardScaler()),
        last,
    )


def _fit(estimator: Any, data: Data) -> Fitted:
    return estimator.fit(*data), data[0]


def _numbers(data: Data) -> Data:
    return data[0].fillna(0.0), data[1]


def _objects() -> Data:
    frame, target = frames.passengers()
    return frame[["Sex", "Embarked"]].to_numpy(dtype=object), target


def _two_kinds() -> Data:
    frame, target = frames.passengers()
    frame.loc[frame["Embarked"].isna() & (frame["Age"] > 40), "Embarked"] = np.nan
    return frame, target


def _mixed() -> Data:
    frame, target = frames.passengers("S")
    frame["Embarked"] = frame["Embarked"].where(frame["Age"] > 30, 7)
    return frame, target


P, A, H, C, S, T = (
    frames.passengers,
    frames.incomes,
    frames.houses,
    frames.customers,
    frames.sensors,
    frames.texts,
)
RARE = {"handle_unknown": "infrequent_if_exist", "min_frequency": 20}
AS_TEXT = FunctionTransformer(lambda rows: rows)
MODELS: dict[str, Callable[[], Fitted]] = {
    "one-hot, None": lambda: _fit(_passenger(_hot()), P()),
    "one-hot, NaN": lambda: _fit(_passenger(_hot()), P(np.nan)),
    "one-hot, first dropped": lambda: _fit(_passenger(OneHotEncoder(drop="first")), P()),
    "one-hot, infrequent": lambda: _fit(_income(OneHotEncoder(**RARE), _logistic()), A()),
    "ordinal, unknown -1": lambda: _fit(
        _passenger(
            OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
            ),
            RandomForestClassifier(20),
        ),
        P(),
    ),
    "target encoder": lambda: _fit(_passenger(TargetEncoder()), P()),
    "imputer of None": lambda: _fit(
        _passenger(
            make_pipeline(SimpleImputer(missing_values=None, strategy="most_frequent"), _hot())
        ),
        P(),
    ),
    "imputer of texts": lambda: _fit(
        _passenger(make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), _hot())),
        P(np.nan),
    ),
    "imputer with indicator": lambda: _fit(
        _passenger(_hot(), imputer=SimpleImputer(add_indicator=True)), P()
    ),
    "nearest-neighbour imputer": lambda: _fit(_passenger(_hot(), imputer=KNNImputer()), P()),
    "array of objects": lambda: _fit(make_pipeline(_hot(), _logistic()), _objects()),
    "two kinds of missing": lambda: _fit(_passenger(_hot()), _two_kinds()),
    "numbers among texts": lambda: _fit(
        _passenger(
            make_pipeline(FunctionTransformer(pd.DataFrame.astype, kw_args={"dtype": str}), _hot())
        ),
        _mixed(),
    ),
    "grid search": lambda: _fit(
        GridSearchCV(_passenger(_hot()), {"logisticregression__C": [0.1, 1.0]}, cv=2), P()
    ),
    "random search": lambda: _fit(
        RandomizedSearchCV(
            _passenger(_hot(), RandomForestClassifier(10)),
            {"randomforestclassifier__max_depth": [3, 5]},
            n_iter=2,
            cv=2,
        ),
        P(),
    ),
    "selected columns": lambda: _fit(
        make_pipeline(
            ColumnTransformer(
                [
                    (
                        "numbers",
                        make_pipeline(SimpleImputer(), StandardScaler()),
                        make_column_selector(dtype_include="number"),
                    ),
                    ("texts", _hot(), make_column_selector(dtype_exclude="number")),
                ]
            ),
            GradientBoostingClassifier(n_estimators=20),
        ),
        P(),
    ),
    "voting": lambda: _fit(
        _passenger(
            _hot(),
            VotingClassifier(
                [("a", _logistic()), ("b", RandomForestClassifier(10))], voting="soft"
            ),
        ),
        P(),
    ),
    "stacking": lambda: _fit(
        _passenger(
            _hot(),
            StackingClassifier([("a", _logistic()), ("b", RandomForestClassifier(10))], cv=2),
        ),
        P(),
    ),
    "income, histogram boosting": lambda: _fit(
        _income(
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            HistGradientBoostingClassifier(max_iter=20),
        ),
        A(),
    ),
    "income, stochastic gradient": lambda: _fit(_income(_hot(), SGDClassifier()), A()),
    "income, support vectors": lambda: _fit(_income(_hot(), SVC()), A()),
    "income, ridge": lambda: _fit(_income(_hot(), RidgeClassifier()), A()),
    "houses, lasso": lambda: _fit(_house(Lasso(10.0, max_iter=5000)), H()),
    "houses, forest": lambda: _fit(_house(RandomForestRegressor(20)), H()),
    "houses, logarithm of the price": lambda: _fit(
        TransformedTargetRegressor(_house(Ridge()), func=np.log1p, inverse_func=np.expm1), H()
    ),
    "houses, scaled price": lambda: _fit(
        TransformedTargetRegressor(
            _house(HistGradientBoostingRegressor(max_iter=20)), transformer=StandardScaler()
        ),
        H(),
    ),
    "customers, nullable types": lambda: _fit(_customer(_logistic()), C()),
    "customers, forest": lambda: _fit(_customer(ExtraTreesClassifier(20)), C()),
    "sensors, calibrated": lambda: _fit(
        CalibratedClassifierCV(make_pipeline(SimpleImputer(), LinearSVC()), cv=2), S()
    ),
    "sensors, histogram boosting": lambda: _fit(HistGradientBoostingClassifier(max_iter=20), S()),
    "sensors, outliers": lambda: _fit(IsolationForest(n_estimators=20), _numbers(S())),
    "sensors, polynomial": lambda: _fit(
        make_pipeline(PolynomialFeatures(2), StandardScaler(), _logistic()), _numbers(S())
    ),
    "sensors, bins": lambda: _fit(make_pipeline(KBinsDiscretizer(4), _logistic()), _numbers(S())),
    "sensors, bagging": lambda: _fit(BaggingClassifier(_logistic(), 5), _numbers(S())),
    "sensors, AdaBoost": lambda: _fit(AdaBoostClassifier(n_estimators=10), _numbers(S())),
    "sensors, nearest neighbours": lambda: _fit(KNeighborsClassifier(), _numbers(S())),
    "sensors, root": lambda: _fit(
        make_pipeline(
            FunctionTransformer(np.absolute),
            FunctionTransformer(np.sqrt),
            RandomForestClassifier(20),
        ),
        _numbers(S()),
    ),
    "texts, tf-idf": lambda: _fit(make_pipeline(TfidfVectorizer(), _logistic()), T()),
    "texts, counts": lambda: _fit(
        make_pipeline(CountVectorizer(ngram_range=(1, 2)), MultinomialNB()), T()
    ),
    "a lambda": lambda: _fit(make_pipeline(AS_TEXT, _logistic()), _numbers(S())),
}
#: Models that cannot be packaged, and what the message says.
REFUSED = {
    "two kinds of missing": "holds missing values of 2 kinds",
    "numbers among texts": "column 'Embarked' holds int, str",
    "a lambda": "lambdas, open files and locks cannot be stored",
}


def boosters() -> dict[str, Callable[[], Fitted]]:
    """Return models of XGBoost, LightGBM and imbalanced-learn where these are installed."""
    if not importlib.util.find_spec("xgboost"):
        return {}
    from tests.zoo import boosting

    return boosting.MODELS
