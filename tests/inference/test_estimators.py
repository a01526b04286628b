"""Any fitted estimator answers from its bundle as it did before."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    IsolationForest,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from tests.inference.models import ABOUT, NAMES, TESTS, Own, X, y
from tridock.inference import score
from tridock.inference.errors import (
    InferenceError,
)
from tridock.inference.packaging.package import About, package

TWO = np.column_stack([y == 0, y == 1])
ESTIMATORS: dict[str, tuple[Any, Any]] = {
    "probabilities": (LogisticRegression(max_iter=1000), NAMES),
    "no probabilities": (LinearSVC(), NAMES),
    "boolean classes": (GaussianNB(), y == 1),
    "integer classes": (DecisionTreeClassifier(), y),
    "float classes": (GaussianNB(), y.astype(float)),
    "one output": (LinearRegression(), X[:, 0]),
    "several outputs": (RandomForestRegressor(3), X[:, :2]),
    "several boolean classes": (MultiOutputClassifier(GaussianNB()), TWO),
    "labels": (OneVsRestClassifier(GaussianNB()), TWO.astype(int)),
    "a chain": (ClassifierChain(GaussianNB()), TWO.astype(int)),
    "a sparse answer": (OneVsRestClassifier(GaussianNB()), sparse.csr_matrix(TWO.astype(int))),
    "clusters": (KMeans(3, n_init=1), None),
    "outliers": (IsolationForest(n_estimators=3), None),
    "support vectors": (SVC(), NAMES),
    "a pipeline": (make_pipeline(StandardScaler(), LogisticRegression()), NAMES),
}


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_any_estimator_answers_from_its_bundle_as_before(kind: str, to: Path) -> None:
    estimator, target = ESTIMATORS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = estimator.fit(X, target)
    bundle = package(estimator, X, to, about=ABOUT)
    score.init(bundle.path)
    expected = estimator.predict(X)
    expected = expected.toarray() if sparse.issparse(expected) else expected
    answers = score.run(X.tolist())
    given = np.array(answers, dtype=expected.dtype)
    # Sums of numbers may differ in their last digit; labels never.
    same = np.allclose(given, expected, rtol=1e-9) if expected.dtype == float else None
    assert same or np.array_equal(given, expected)
    assert json.loads(json.dumps(answers, allow_nan=False)) == answers
    for example in bundle.manifest.examples:
        answer = np.array(score.run([example.input]))
        expected = np.array([example.prediction])
        close = expected.dtype == float and np.allclose(answer, expected)
        assert close or answer.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("kind", "task", "dtype", "classes", "shape"),
    [
        ("probabilities", "classification", "string", tuple(np.unique(NAMES)), ()),
        ("boolean classes", "classification", "boolean", (False, True), ()),
        ("integer classes", "classification", "integer", (0, 1, 2), ()),
        ("one output", "regression", "number", (), ()),
        ("several outputs", "regression", "number", (), (2,)),
        (
            "several boolean classes",
            "classification",
            "boolean",
            ((False, True), (False, True)),
            (2,),
        ),
        ("labels", "classification", "integer", (0, 1), (2,)),
        ("clusters", "clustering", "integer", (), ()),
        ("outliers", "outliers", "integer", (), ()),
    ],
)
def test_the_output_is_described(
    kind: str, task: str, dtype: str, classes: tuple[Any, ...], shape: tuple[int, ...], to: Path
) -> None:
    estimator, target = ESTIMATORS[kind]
    output = package(estimator.fit(X, target), X, to, about=ABOUT).manifest.output
    assert output is not None
    assert (output.task, output.dtype, output.classes, output.shape) == (
        task,
        dtype,
        classes,
        shape,
    )


@pytest.mark.parametrize(
    ("kind", "gives"),
    [
        ("probabilities", {"setosa", "versicolor", "virginica"}),
        ("boolean classes", {"false", "true"}),
        ("integer classes", {"0", "1", "2"}),
        ("labels", {"0", "1"}),
        ("no probabilities", None),
        ("a chain", None),
        ("one output", None),
        ("clusters", None),
    ],
)
def test_probabilities_are_those_of_the_classes_or_none(
    kind: str, gives: set[str] | None, to: Path
) -> None:
    estimator, target = ESTIMATORS[kind]
    bundle = package(estimator.fit(X, target), X, to, about=ABOUT)
    score.init(bundle.path)
    if gives is None:
        with pytest.raises(InferenceError, match="no probabilities"):
            score.run_with_probabilities([X[0].tolist()])
        assert bundle.manifest.baseline
        assert bundle.manifest.baseline.confidence is None
        return
    (answer,) = score.run_with_probabilities([X[0].tolist()])
    assert set(answer["probabilities"]) == gives
    shares = estimator.predict_proba(X[:1])[0].tolist()
    assert list(answer["probabilities"].values()) == pytest.approx(shares, abs=1e-5)


def test_several_outputs_give_probabilities_each(to: Path) -> None:
    estimator = MultiOutputClassifier(GaussianNB()).fit(X, TWO)
    score.init(package(estimator, X, to, about=ABOUT).path)
    (answer,) = score.run_with_probabilities([X[0].tolist()])
    assert answer["prediction"] == [True, False]
    assert [set(each) for each in answer["probabilities"]] == [{"false", "true"}] * 2


def test_an_estimator_of_another_make_is_taken(to: Path) -> None:
    bundle = package(Own(), X, to, about=About("model", code=TESTS))
    assert bundle.manifest.output
    assert bundle.manifest.output.task == "other"
    score.init(to)
    assert score.run([[1, 2, 3, 4]]) == [2.0]
