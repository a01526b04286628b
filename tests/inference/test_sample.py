"""Samples: how rows come is read off them, and asked of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from tests.inference.models import ABOUT, ANSWERS, NAMES, PEOPLE, X, people_model
from tridock.inference import score
from tridock.inference.bundle.baseline import Numeric, Text
from tridock.inference.errors import (
    InferenceError,
    PackagingError,
)
from tridock.inference.packaging.package import package
from tridock.inference.packaging.sample import Sample

TEXTS = ["hello world", "buy now", "good day", "cheap now"] * 3


def test_a_frame_is_described_by_its_columns_and_by_asking_the_model(to: Path) -> None:
    signature = package(people_model(), PEOPLE, to, about=ABOUT).manifest.signature
    assert signature is not None
    assert signature.container == "dataframe"
    age, income, job, owner = signature.fields
    assert (age.dtype, age.minimum, age.maximum, age.nullable) == ("integer", 20, 50, False)
    assert (income.dtype, income.nullable) == ("number", True)
    assert (job.dtype, job.categories, job.open) == ("string", ("a", "b", "c"), False)
    assert owner.dtype == "boolean"


def test_a_sample_may_bring_more_columns_in_another_order(to: Path) -> None:
    sample = PEOPLE[["owner", "job", "income", "age"]].assign(target=ANSWERS)
    signature = package(people_model(), sample, to, about=ABOUT).manifest.signature
    assert signature is not None
    assert signature.names == ("age", "income", "job", "owner")


def test_categories_the_sample_lacks_are_read_off_the_encoder(to: Path) -> None:
    sample = PEOPLE[PEOPLE["job"] != "c"]
    signature = package(people_model(), sample, to, about=ABOUT).manifest.signature
    assert signature is not None
    assert signature.fields[2].categories == ("a", "b", "c")


def test_an_encoder_that_ignores_unknown_values_leaves_the_column_open(to: Path) -> None:
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = make_pipeline(encoder, LogisticRegression()).fit(PEOPLE[["job"]], ANSWERS)
    # pandas' only column would be a text to a model without names: this one has names.
    (job,) = package(model, PEOPLE[["job"]], to, about=ABOUT).manifest.signature.fields  # type: ignore[union-attr]
    assert job.open
    score.init(to)
    assert score.run(["never seen"])


def test_pandas_categories_are_kept(to: Path) -> None:
    frame = PEOPLE[["age", "job"]].astype({"job": "category"})
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=3)
    bundle = package(model.fit(frame, ANSWERS), frame, to, about=ABOUT)
    assert bundle.manifest.signature
    assert bundle.manifest.signature.fields[1].categorical
    score.init(to)
    assert score.run(frame) == model.predict(frame).tolist()


def test_arrays_of_objects_and_encoded_numbers_are_closed(to: Path) -> None:
    rows = np.array([["a", 1], ["b", 2], ["a", 3]] * 4, dtype=object)
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(rows, [1, 0, 1] * 4)
    signature = package(model, rows, to, about=ABOUT).manifest.signature
    assert signature is not None
    assert [field.closed for field in signature.fields] == [{"a", "b"}, {1, 2, 3}]
    score.init(to)
    assert score.run([["b", 2], ["a", 1.0]]) == [0, 1]
    with pytest.raises(InferenceError, match="unknown category 4"):
        score.run([["a", 4]])


def test_missing_values_are_taken_where_the_model_takes_them(to: Path) -> None:
    rows = np.where(np.arange(X.size).reshape(X.shape) % 7 == 0, np.nan, X)
    model = RandomForestClassifier(3).fit(rows, NAMES)
    signature = package(model, rows, to, about=ABOUT).manifest.signature
    assert signature is not None
    assert all(field.nullable for field in signature.fields)
    score.init(to)
    assert len(score.run([[None, 1, 2, None]])) == 1


@pytest.mark.parametrize(
    "sample",
    [TEXTS, tuple(TEXTS), pd.Series(TEXTS), np.array(TEXTS), pd.DataFrame({"message": TEXTS})],
    ids=["list", "tuple", "series", "array", "frame"],
)
def test_texts_come_in_any_row_of_strings(sample: Any, to: Path) -> None:
    model = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(TEXTS, ["ham", "spam"] * 6)
    bundle = package(model, sample, to, about=ABOUT)
    assert bundle.manifest.signature
    assert bundle.manifest.signature.container == "text"
    score.init(to)
    assert score.run(["buy now"]) == ["spam"]
    assert bundle.manifest.baseline
    assert isinstance(next(iter(bundle.manifest.baseline.features.values())), Text)


def test_a_frame_for_a_model_of_arrays_lends_its_names(to: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(X, NAMES)
    sample = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    signature = package(model, sample, to, about=ABOUT).manifest.signature
    assert signature is not None
    assert (signature.container, signature.names) == ("array", ("a", "b", "c", "d"))


def test_a_sparse_sample_is_read_as_rows(to: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(X, NAMES)
    bundle = package(model, sparse.csr_matrix(X), to, about=ABOUT)
    score.init(bundle.path)
    assert score.run(X[:3].tolist()) == NAMES[:3].tolist()


@pytest.mark.parametrize("named", [False, True])
def test_single_precision_is_served_in_single_precision(named: bool, to: Path) -> None:
    singles: Any = X.astype(np.float32)
    rows = pd.DataFrame(singles, columns=["a", "b", "c", "d"]) if named else singles
    model = KMeans(3, n_init=1).fit(rows)  # KMeans takes the precision it was fitted in only.
    bundle = package(model, rows, to, about=ABOUT)
    assert bundle.manifest.examples[0].input == [5.1, 3.5, 1.4, 0.2]
    score.init(to)
    assert score.run(X.tolist()) == model.predict(rows).tolist()


def test_of_a_large_sample_rows_are_taken_evenly(to: Path) -> None:
    rows = np.arange(300_000.0).reshape(-1, 1)
    baseline = package(LinearRegression().fit(rows, rows), rows, to, about=ABOUT).manifest.baseline
    assert baseline is not None
    numbers = baseline.features["x0"]
    assert isinstance(numbers, Numeric)
    assert (numbers.count, numbers.minimum, numbers.maximum) == (100_000, 0, 299_999)
    assert numbers.mean == pytest.approx(150_000, rel=1e-3)


class Underscored(LogisticRegression):  # type: ignore[misc, unused-ignore]
    """Keeps its columns' names as LightGBM does, and takes a frame by the columns' order."""

    def fit(self, rows: Any, answers: Any) -> Underscored:
        super().fit(rows.to_numpy(), answers)
        self.feature_names_in_ = np.array([name.replace(" ", "_") for name in rows])
        return self

    def predict(self, rows: Any) -> Any:
        return super().predict(np.asarray(rows))

    def _check_feature_names(self, rows: Any, *, reset: bool) -> None:
        """Compare no names, as LightGBM does not."""


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_columns_whose_names_the_model_changed_are_recognised(in_pipeline: bool) -> None:
    frame = pd.DataFrame(X[:, :3], columns=["petal width", "sepal_width", "a b c"])
    model: Any = Underscored(max_iter=1000)
    model = (make_pipeline(model) if in_pipeline else model).fit(frame, NAMES)
    brought = frame[["a b c", "sepal_width", "petal width"]].assign(target=NAMES)
    assert Sample.read(model, brought).names == tuple(frame)
    with pytest.raises(PackagingError, match=r"lacks columns the model needs: a_b_c$"):
        Sample.read(model, frame.rename(columns={"a b c": "a-b-c"}))
    twice = frame.assign(**{"petal_width": 0.0})
    assert Sample.read(model, twice).names == ("petal_width", "sepal_width", "a b c")
