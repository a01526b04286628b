"""Conversion of encoders, imputers, bins and linear classifiers: graphs answer as the steps do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    TargetEncoder,
)

from tridock.inference.model.model import Model
from tridock.inference.model.sklearn_engine import Estimator
from tridock.inference.packaging.compile.attempt import Outcome, compiled
from tridock.inference.packaging.introspection import describe
from tridock.inference.packaging.sample import Sample

ROWS = 120
RANDOM = np.random.default_rng(7)
AGES = RANDOM.normal(40, 9, ROWS).round(2)
JOBS = np.array(["cook", "nurse", "pilot", "smith"], dtype=object)[RANDOM.integers(0, 4, ROWS)]
FRAME = pd.DataFrame({"age": AGES, "job": JOBS})
KINDS = np.array(["low", "middle", "high"])[np.digitize(AGES + 8 * (JOBS == "cook"), [37, 44])]
PAIR = AGES + 8 * (JOBS == "cook") > 41


def _with(missing: Any) -> pd.DataFrame:
    holes = np.arange(ROWS) % 7 == 0
    jobs = np.where(holes, missing, JOBS)
    return FRAME.assign(age=np.where(holes[::-1], np.nan, AGES), job=pd.Series(jobs, dtype=object))


def _model(*steps: Any, last: Any = None, age: Any = "passthrough") -> Any:
    columns = make_column_transformer((make_pipeline(*steps), ["job"]), (age, ["age"]))
    return make_pipeline(columns, last or LogisticRegression(max_iter=2000))


def _attempt(model: Any, rows: Any, target: Any) -> Outcome:
    sample = Sample.read(model.fit(rows, target), rows)
    found = describe(model, sample, examples=0)
    engine = Estimator(model, found.signature.fields)
    return compiled(model, Model(engine, found.signature, found.output), sample)


MEAN, MARKED = SimpleImputer(), SimpleImputer(strategy="median", add_indicator=True)
CASES: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "one-hot with None": lambda: (
        _model(OneHotEncoder(handle_unknown="ignore"), age=MEAN),
        _with(None),
        KINDS,
    ),
    "one-hot with NaN": lambda: (
        _model(OneHotEncoder(drop="first"), age=MEAN),
        _with(np.nan),
        PAIR,
    ),
    "infrequent categories": lambda: (
        _model(OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=30)),
        FRAME,
        KINDS,
    ),
    "ordinal numbers": lambda: (
        _model(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)),
        FRAME,
        PAIR,
    ),
    "means of the target": lambda: (_model(TargetEncoder(random_state=0)), FRAME, PAIR),
    "most frequent text": lambda: (
        _model(SimpleImputer(strategy="most_frequent"), OneHotEncoder(), age=MARKED),
        _with(np.nan),
        KINDS,
    ),
    "constant for None": lambda: (
        _model(
            SimpleImputer(missing_values=None, strategy="constant", fill_value="?"),
            OneHotEncoder(),
            age=MEAN,
        ),
        _with(None),
        PAIR,
    ),
    "a square": lambda: (
        _model(OneHotEncoder(), age=FunctionTransformer(np.square)),
        FRAME,
        KINDS,
    ),
    "bins, one-hot": lambda: (
        _model(OneHotEncoder(), age=KBinsDiscretizer(5, quantile_method="linear")),
        FRAME,
        KINDS,
    ),
    "bins, ordinal": lambda: (
        _model(OneHotEncoder(), age=KBinsDiscretizer(3, encode="ordinal", strategy="uniform")),
        FRAME,
        PAIR,
    ),
    "ridge": lambda: (_model(OneHotEncoder(), last=RidgeClassifier()), FRAME, KINDS),
    "ridge of two": lambda: (_model(OneHotEncoder(), last=RidgeClassifier()), FRAME, PAIR),
    "hinge": lambda: (_model(OneHotEncoder(), last=SGDClassifier(random_state=0)), FRAME, KINDS),
    "logistic by gradient": lambda: (
        _model(OneHotEncoder(), last=SGDClassifier(loss="log_loss", random_state=0)),
        FRAME,
        KINDS,
    ),
    "logistic of two by gradient": lambda: (
        _model(OneHotEncoder(), last=SGDClassifier(loss="log_loss", random_state=0)),
        FRAME,
        PAIR,
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", CASES)
def test_a_step_is_converted_and_proven_in_double_precision(kind: str) -> None:
    found = _attempt(*CASES[kind]())
    assert found.facts, found.reason
    assert found.facts.precision == "double"
    assert found.facts.largest_difference <= 1e-9


REASONS: dict[str, tuple[Any, str]] = {
    "no converter": (
        GaussianProcessClassifier(),
        "GaussianProcessClassifier with these settings has no compiled form",
    ),
    "a failing graph": (
        make_pipeline(KNNImputer(), LogisticRegression(max_iter=2000)),
        "the compiled form of the model (KNNImputer, LogisticRegression) fails on rows that the "
        "model answers",
    ),
    "other probabilities": (
        SGDClassifier(loss="modified_huber", random_state=0),
        "SGDClassifier has no compiled form here: its probabilities come of the loss "
        "modified_huber",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", REASONS)
def test_a_model_that_is_not_compiled_names_the_step_without_jargon(kind: str) -> None:
    model, reason = REASONS[kind]
    found = _attempt(model, np.column_stack([AGES, AGES[::-1]]), KINDS)
    assert not found.facts
    assert found.reason == reason
