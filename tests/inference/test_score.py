"""init() and run(): what is loaded, what is refused, and what the answers are made of."""

from __future__ import annotations

import json
import logging
import math
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tridock.inference import score
from tridock.inference.bundle.bundle import Bundle, listing
from tridock.inference.bundle.manifest import MANIFEST, Manifest
from tridock.inference.data.field import Field
from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.errors import (
    BundleError,
    BundleMissingError,
    InvalidInputError,
    NotReadyError,
    ScoringError,
    TamperedError,
    VersionError,
)
from tridock.inference.model.model import Model, jsonable
from tridock.inference.model.sklearn_engine import Estimator

SETOSA = [5.1, 3.5, 1.4, 0.2]


def rewritten(path: Path, **changes: Any) -> Path:
    """Change a manifest and make its digests fit: what only its maker can do."""
    manifest = Manifest.from_json((path / MANIFEST).read_text())
    changed = replace(manifest, files=listing(path), **changes)
    (path / MANIFEST).write_text(changed.to_json())
    return path


@pytest.fixture
def pickled(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle that is served from its joblib file, though it is compiled."""
    monkeypatch.setenv("TRIDOCK_ENGINE", "joblib")
    return copied


def test_rows_give_predictions_in_order(iris_bundle: Bundle) -> None:
    score.init(iris_bundle.path)
    assert score.run([SETOSA, [6.3, 2.8, 5.1, 1.5]]) == ["setosa", "virginica"]
    loaded = score.loaded()
    assert loaded
    assert (loaded.bundle, loaded.script) == (iris_bundle, None)


def test_named_rows_meet_a_frame(loan_bundle: Bundle) -> None:
    score.init(loan_bundle.path)
    request = json.loads(Path("examples/loan/request.json").read_text())
    assert score.run(request["instances"]) == ["approved", "declined"]


def test_texts_are_judged(spam_bundle: Bundle) -> None:
    score.init(spam_bundle.path)
    request = json.loads(Path("examples/spam/request.json").read_text())
    assert score.run(request["instances"]) == ["spam", "ham"]


def test_probabilities_come_by_class_and_sum_to_one(iris_bundle: Bundle) -> None:
    score.init(iris_bundle.path)
    (answer,) = score.run_with_probabilities([SETOSA])
    assert answer["prediction"] == "setosa"
    assert list(answer["probabilities"]) == ["setosa", "versicolor", "virginica"]
    assert math.isclose(sum(answer["probabilities"].values()), 1)


def test_every_bundle_answers_its_own_examples(
    iris_bundle: Bundle, loan_bundle: Bundle, spam_bundle: Bundle
) -> None:
    for bundle in (iris_bundle, loan_bundle, spam_bundle):
        score.init(bundle.path)
        inputs = [example.input for example in bundle.manifest.examples]
        assert score.run(inputs) == [example.prediction for example in bundle.manifest.examples]


def test_wrong_rows_are_the_callers_fault(iris_bundle: Bundle) -> None:
    score.init(iris_bundle.path)
    with pytest.raises(InvalidInputError, match="expected 4 values"):
        score.run([[1, 2]])


def test_before_init_nothing_is_predicted(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError):
        score.init(tmp_path)
    assert score.loaded() is None
    with pytest.raises(NotReadyError):
        score.run([SETOSA])


def test_another_scikit_learn_is_refused_with_both_versions_and_the_fix(pickled: Path) -> None:
    rewritten(pickled, libraries={"python": "3.11.7", "scikit-learn": "1.0.2"})
    with pytest.raises(VersionError) as refused:
        score.init(pickled)
    assert str(refused.value) == (
        f"the model was fitted with scikit-learn 1.0.2 and here is {sklearn.__version__}: install "
        "scikit-learn==1.0.2, or train and package the model again with "
        f"{sklearn.__version__}"
    )


def test_where_scikit_learn_is_missing_the_image_without_it_is_named() -> None:
    """Without site-packages, as in the image for compiled models."""
    words = (
        "from tridock.inference.bundle import libraries; libraries.check({'scikit-learn': '1.6.0'})"
    )
    told = subprocess.run(
        [sys.executable, "-S", "-c", words], capture_output=True, text=True, check=False
    )
    assert "the model needs scikit-learn 1.6.0, and none is installed here" in told.stderr


def test_other_libraries_may_differ_with_a_warning(
    pickled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rewritten(pickled, libraries={"scikit-learn": sklearn.__version__, "numpy": "1.0"})
    with caplog.at_level(logging.WARNING):
        score.init(pickled)
    assert "fitted with numpy 1.0 and here is" in caplog.text
    assert score.run([SETOSA]) == ["setosa"]


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def test_an_altered_pickle_is_never_opened(copied: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (copied / "model.joblib").write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(TamperedError):
        score.init(copied)
    assert not trace.exists()
    pickle.loads((copied / "model.joblib").read_bytes())
    assert trace.exists()


def test_a_model_of_an_absent_module_is_refused_by_its_name(pickled: Path) -> None:
    an_absent_class = b"\x80\x04\x8c\x0cabsent_thing\x94\x8c\x05Model\x94\x93)\x81."
    (pickled / "model.joblib").write_bytes(an_absent_class)
    rewritten(pickled)
    with pytest.raises(BundleError, match="needs the module 'absent_thing', which cannot be"):
        score.init(pickled)


@pytest.mark.parametrize("content", [b"", b"no pickle", b"\x80\x04N."])
def test_what_is_no_model_is_refused(pickled: Path, content: bytes) -> None:
    (pickled / "model.joblib").write_bytes(content)
    rewritten(pickled)
    with pytest.raises(BundleError, match=r"does not load|has no predict"):
        score.init(pickled)


def test_a_manifest_without_signature_cannot_serve_its_model(copied: Path) -> None:
    rewritten(copied, signature=None)
    with pytest.raises(BundleError, match="without its signature"):
        score.init(copied)


class Failing:
    """Raises what it was made with."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def predict(self, rows: Any) -> Any:
        raise self.error


def asked(estimator: Any) -> Any:
    signature = Signature((Field("x", "number"),), "array")
    fitted = Model(
        Estimator(estimator, signature.fields),
        signature,
        OutputSignature("other", "number"),
    )
    return fitted.predict(fitted.signature.rows([1]))


def test_what_the_model_says_of_the_values_is_told_to_the_caller() -> None:
    with pytest.raises(InvalidInputError, match="refused these values: ValueError: too large"):
        asked(Failing(ValueError("too large")))
    with pytest.raises(InvalidInputError) as refused:
        asked(Failing(ValueError("x" * 10_000)))
    assert len(str(refused.value)) < 500


def test_any_other_failure_of_the_model_is_ours_and_keeps_its_words_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ScoringError) as failed:
        asked(Failing(KeyError("secret")))
    assert str(failed.value) == "the model failed: KeyError"
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1.5, np.nan, np.inf]), [1.5, None, None]),
        (np.array([1, 2], dtype=np.uint8), [1, 2]),
        (np.array([True, False]), [True, False]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array(["a", None, 1.0, np.nan], dtype=object), ["a", None, 1.0, None]),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (np.array([np.datetime64("2020-01-01")]), ["2020-01-01"]),
        (pd.Series([1.0, None]), [1.0, None]),
        (pd.DataFrame({"a": [1, 2]}), [[1], [2]]),
        (sparse.csr_matrix([[0, 1]]), [[0, 1]]),
        ([1, 2], [1, 2]),
    ],
)
def test_predictions_become_what_json_holds(values: Any, expected: list[Any]) -> None:
    answer = jsonable(values)
    assert answer == expected
    assert json.loads(json.dumps(answer, allow_nan=False)) == expected


@given(st.lists(st.floats() | st.integers() | st.booleans() | st.text() | st.none()))
def test_any_predictions_become_valid_json(values: list[Any]) -> None:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    json.dumps(jsonable(array), allow_nan=False)


def test_a_joblib_file_of_plain_values_is_no_model(pickled: Path) -> None:
    joblib.dump({"weights": [1]}, pickled / "model.joblib")
    rewritten(pickled)
    with pytest.raises(BundleError, match="holds a dict, which has no predict"):
        score.init(pickled)
