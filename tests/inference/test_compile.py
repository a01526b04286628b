"""Compiling: what is proven equal is served without scikit-learn, what is not stays as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from tests.inference.models import ABOUT, NAMES, PEOPLE, TESTS, X, people_model, squared, y
from tridock.examples.loan import data as loan
from tridock.inference import score
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import Manifest
from tridock.inference.errors import BundleError, InvalidInputError
from tridock.inference.model.model import Coding, Model
from tridock.inference.model.onnx_engine import Graph, opened
from tridock.inference.model.sklearn_engine import Estimator
from tridock.inference.packaging.compile import conversion
from tridock.inference.packaging.compile.conversion import Way, converted
from tridock.inference.packaging.compile.proof import DifferenceError, Trial
from tridock.inference.packaging.package import About, package
from tridock.inference.packaging.sample import Sample

DOUBLE, SINGLE = Way("matrix", "double"), Way("matrix", "single")
#: Measures that single precision cannot hold.
MEASURES = np.random.default_rng(1).normal(size=(300, 3)).round(6) + 1 / 3
SIGNS = (MEASURES[:, 0] + MEASURES[:, 1] > 0.9).astype(int)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Fit on one core: others are busy with other tests."""
    with threadpool_limits(1):
        yield


def manifest(bundle: Bundle) -> Manifest:
    return bundle.manifest


def test_the_examples_are_compiled(
    iris_bundle: Bundle, loan_bundle: Bundle, spam_bundle: Bundle
) -> None:
    for bundle in (iris_bundle, loan_bundle, spam_bundle):
        compiled = manifest(bundle).compiled
        assert compiled, manifest(bundle).not_compiled
        assert (compiled.file, compiled.precision) == ("model.onnx", "double")
        assert compiled.rows > 1000
        assert compiled.largest_difference <= compiled.tolerance == 1e-9
        assert {"onnxruntime", "skl2onnx"} <= set(compiled.libraries)
        assert compiled.file in manifest(bundle).files
        fitted, _ = both(bundle)
        assert isinstance(fitted.runner, Coding)
        assert fitted.runner.classes == fitted.output.classes


HISTOGRAM = HistGradientBoostingClassifier(max_iter=10)
COMPILED: dict[str, tuple[Any, Any, Any]] = {
    "a forest": (RandomForestClassifier(20, random_state=0), X, NAMES),
    "a forest of booleans": (RandomForestClassifier(10, random_state=0), X, y == 1),
    "a forest's numbers": (RandomForestRegressor(10, random_state=0), X, X[:, :2]),
    "boosting": (GradientBoostingClassifier(n_estimators=5), X, y),
    "boosting of two": (GradientBoostingClassifier(n_estimators=5), X, y == 1),
    "histograms": (HISTOGRAM, np.where(X > 6, np.nan, X), NAMES),
    "histograms of two": (HistGradientBoostingClassifier(max_iter=10), MEASURES, SIGNS),
    "counts": (HistGradientBoostingRegressor(loss="poisson", max_iter=5), X, y),
    "scaled trees": (
        make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)),
        MEASURES,
        SIGNS,
    ),
    "numbers": (LinearRegression(), X[:, 1:], X[:, 0]),
    "a Bayesian": (GaussianNB(), X, NAMES),
}


@pytest.mark.parametrize("kind", COMPILED)
def test_a_model_is_compiled_and_answers_alike(
    kind: str, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator, rows, target = COMPILED[kind]
    bundle = package(estimator.fit(rows, target), rows, to, about=ABOUT)
    assert bundle.manifest.compiled, bundle.manifest.not_compiled
    asked = [[None if cell != cell else cell for cell in row] for row in rows.tolist()]
    answers = []
    for engine in ("onnx", "joblib"):
        monkeypatch.setenv("TRIDOCK_ENGINE", engine)
        score.init(to)
        loaded = score.loaded()
        assert loaded
        assert loaded.model
        assert loaded.model.engine == engine
        answers.append(score.run(asked))
        coded = loaded.model.coded(loaded.model.signature.rows(asked))
        assert coded.values() == answers[-1]
        assert bool(coded.names) == (engine == "onnx" and isinstance(answers[-1][0], str))
    assert {type(answer) for answer in answers[0]} == {type(answer) for answer in answers[1]}
    if isinstance(answers[0][0], str | bool | int):
        assert answers[0] == answers[1]
    else:
        np.testing.assert_allclose(answers[0], answers[1], rtol=1e-5)


def test_a_frame_with_nulls_booleans_and_unknown_words_is_compiled(to: Path) -> None:
    bundle = package(people_model(), PEOPLE, to, about=ABOUT)
    assert bundle.manifest.compiled, bundle.manifest.not_compiled
    score.init(to)
    rows = [[33, None, "b", True], [41, 2.25, "a", False]]
    asked = pd.DataFrame(rows, columns=list(PEOPLE)).astype({"income": float})
    assert score.run(rows) == people_model().predict(asked).tolist()


APPLICATION = st.tuples(
    st.integers(18, 99),
    st.none() | st.floats(0, 1e6),
    st.integers(300, 850),
    st.sampled_from(["employed", "retired", "self-employed", "unemployed"]),
    st.floats(0, 1e4),
    st.integers(1, 400),
    st.sampled_from(sorted(set(loan.generate(200, 1)["purpose"]))),
)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(APPLICATION, min_size=1, max_size=8))
def test_any_application_is_answered_alike_by_both_engines(
    loan_bundle: Bundle, rows: list[tuple[Any, ...]]
) -> None:
    answers = [
        model.answers(model.signature.rows([list(row) for row in rows])).values()
        for model in both(loan_bundle)
    ]
    assert answers[0] == answers[1]


def both(bundle: Bundle) -> list[Model]:
    from tridock.inference.model import engine

    found = [engine.model(bundle, {"TRIDOCK_ENGINE": name}) for name in ("onnx", "joblib")]
    return [model for model in found if model]


VECTORIZERS = [
    CountVectorizer(),
    CountVectorizer(ngram_range=(1, 2)),
    CountVectorizer(ngram_range=(2, 3), lowercase=False),
    CountVectorizer(binary=True),
    CountVectorizer(stop_words=["a", "the"], token_pattern=r"(?u)\b\w+\b"),
    TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)),
    TfidfVectorizer(norm="l1", smooth_idf=False),
    TfidfVectorizer(norm=None, use_idf=False, binary=True),
]
WORDS = ["the free prize is a prize", "meet me in the free hour", "Is a Ö é 日本語 x"]


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_terms_weigh_what_the_vectorizer_makes_them_weigh(texts: list[str]) -> None:
    asked = [*WORDS, *texts, " ".join(texts + WORDS)]
    for vectorizer in VECTORIZERS:
        if not hasattr(vectorizer, "vocabulary_"):
            vectorizer.fit(WORDS)
        terms, _ = conversion.split(Pipeline([("counts", vectorizer), ("model", None)]))
        (weights,) = terms.weights(asked)
        expected = vectorizer.transform(asked).toarray()
        np.testing.assert_allclose(weights, expected, rtol=1e-12, atol=0)


def trial(estimator: Any, rows: Any, target: Any) -> Trial:
    from tridock.inference.packaging.introspection import describe

    sample = Sample.read(estimator.fit(rows, target), rows)
    found = describe(estimator, sample, examples=0)
    engine = Estimator(estimator, found.signature.fields)
    return Trial.of(Model(engine, found.signature, found.output), sample)


def graph(content: bytes, held: Trial, way: Way) -> Graph:
    fitted = held.fitted
    return Graph(opened(content), fitted.signature, fitted.output, way.precision == "single")


def altered(content: bytes, change: Callable[[Any], None]) -> bytes:
    model = onnx.ModelProto.FromString(content)
    change(model.graph)
    return bytes(model.SerializeToString())


def heavier(graph: Any) -> None:
    """Change one weight by a ten-thousandth."""
    weights = max(graph.initializer, key=lambda one: np.prod(one.dims))
    values = numpy_helper.to_array(weights).copy()
    values.flat[0] *= 1.0001
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))


def rounded(graph: Any) -> None:
    """Round every threshold to single precision."""
    (node,) = [node for node in graph.node if node.op_type == "TreeEnsemble"]
    (splits,) = [each for each in node.attribute if each.name == "nodes_splits"]
    values = numpy_helper.to_array(splits.t).astype(np.float32).astype(np.float64)
    splits.t.CopyFrom(numpy_helper.from_array(values, splits.t.name))


def turned(graph: Any) -> None:
    """Send missing values the other way."""
    (node,) = [node for node in graph.node if node.op_type == "TreeEnsemble"]
    (missing,) = [each for each in node.attribute if each.name.startswith("nodes_missing")]
    flipped = [1 - each for each in missing.ints]
    del missing.ints[:]
    missing.ints.extend(flipped)


@pytest.mark.parametrize(
    ("estimator", "rows", "target", "change"),
    [
        (LogisticRegression(max_iter=1000), X, NAMES, heavier),
        (LinearRegression(), X[:, 1:], X[:, 0], heavier),
        (HistGradientBoostingClassifier(max_iter=10), MEASURES, SIGNS, rounded),
        (RandomForestClassifier(10, random_state=0), X, y, turned),
    ],
)
def test_a_wrong_conversion_is_caught(
    estimator: Any, rows: Any, target: Any, change: Callable[[Any], None]
) -> None:
    held = trial(estimator, rows, target)
    content = converted(estimator, held.fitted.signature, DOUBLE)
    assert held.proof(graph(content, held, DOUBLE), 1e-9).largest_difference < 1e-12
    with pytest.raises(DifferenceError, match="as \\["):
        held.proof(graph(altered(content, change), held, DOUBLE), 1e-9)


def test_single_precision_is_caught_at_thresholds_though_the_sample_agrees() -> None:
    estimator = make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0))
    held = trial(estimator, MEASURES, SIGNS)
    rounding = graph(converted(estimator, held.fitted.signature, SINGLE), held, SINGLE)
    with pytest.raises(DifferenceError):
        held.proof(rounding, 1e-5)


def test_ties_of_a_forest_fall_as_they_did() -> None:
    forest = RandomForestClassifier(10, random_state=0)
    held = trial(forest, X, np.random.default_rng(0).integers(0, 2, len(X)))
    assert isinstance(held.answers.shares, np.ndarray)
    assert (held.answers.shares == 0.5).any()
    content = converted(forest, held.fitted.signature, DOUBLE)
    assert held.proof(graph(content, held, DOUBLE), 1e-9).largest_difference == 0


def test_what_cannot_be_converted_stays_as_it_is_and_says_why(
    to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = make_pipeline(FunctionTransformer(squared), LogisticRegression(max_iter=2000))
    about = About("model", code=TESTS)
    bundle = package(estimator.fit(X, NAMES), X, to, about=about)
    assert bundle.manifest.compiled is None
    assert "squared" in bundle.manifest.not_compiled
    assert {"model.joblib", "modules/tests/inference/models.py"} < set(bundle.manifest.files)
    assert "model.onnx" not in bundle.manifest.files
    score.init(to)
    assert score.run(X[:2].tolist()) == ["setosa", "setosa"]
    monkeypatch.setenv("TRIDOCK_ENGINE", "onnx")
    with pytest.raises(BundleError, match="the model is not compiled: .*squared"):
        score.init(to)


def test_numbers_that_the_model_refuses_are_refused_by_the_graph(
    to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(COMPILED["a forest"][0].fit(X, NAMES), X, to, about=ABOUT)
    for engine in ("onnx", "joblib"):
        monkeypatch.setenv("TRIDOCK_ENGINE", engine)
        score.init(to)
        with pytest.raises(InvalidInputError, match="the model refused these values"):
            score.run([[1e39, 1, 1, 1]])
        assert score.run([[1e38, 1, 1, 1]])


def test_large_numbers_are_answered_where_the_model_answers_them(iris_bundle: Bundle) -> None:
    huge = [[1e300, 1, 1, 1], [1, 1, -1e300, 1]]
    score.init(iris_bundle.path)
    assert score.run(huge) == LogisticRegression(max_iter=1000).fit(X, NAMES).predict(huge).tolist()


def test_an_unknown_engine_is_refused(iris_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIDOCK_ENGINE", "tensorrt")
    with pytest.raises(BundleError, match="TRIDOCK_ENGINE is 'tensorrt': give onnx or joblib"):
        score.init(iris_bundle.path)


PROGRAM = """
import json, sys
from pathlib import Path
from tridock.inference import score
for path in sys.argv[1:]:
    score.init(Path(path))
    examples = score.loaded().bundle.manifest.examples
    assert score.run([each.input for each in examples]) == [each.prediction for each in examples]
    score.run_with_probabilities([examples[0].input])
unwanted = ("sklearn", "scipy", "pandas", "joblib", "skl2onnx", "onnx", "skops")
unwanted += ("urllib.request", "xml.etree")  # a download's, which a folder needs not
print(json.dumps([name for name in unwanted if name in sys.modules]))
"""


def test_compiled_models_are_served_without_the_libraries_they_came_from(
    iris_bundle: Bundle, loan_bundle: Bundle, spam_bundle: Bundle
) -> None:
    paths = [bundle.path for bundle in (iris_bundle, loan_bundle, spam_bundle)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *paths],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == []


def test_an_encoder_of_numbers_and_one_of_words_are_compiled_side_by_side(to: Path) -> None:
    frame = pd.DataFrame({"rooms": [1, 2, 3, 2] * 5, "a b": ["x", "y"] * 10, "z": [0.5, 1.5] * 10})
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["rooms"]),
        (OneHotEncoder(handle_unknown="ignore"), ["a b"]),
        remainder="passthrough",
    )
    estimator = make_pipeline(columns, LogisticRegression()).fit(frame, [1, 0] * 10)
    bundle = package(estimator, frame, to, about=ABOUT)
    assert bundle.manifest.compiled, bundle.manifest.not_compiled
    score.init(to)
    assert (
        score.run([[2, "y", 1.5], [9, "new", 0.0]])
        == estimator.predict(
            pd.DataFrame({"rooms": [2, 9], "a b": ["y", "new"], "z": [1.5, 0.0]})
        ).tolist()
    )
