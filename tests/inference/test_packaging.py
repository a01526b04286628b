"""Packaging: what a bundle says of its making, and what cannot become one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tests.inference.models import ABOUT, FITTED, PEOPLE, TESTS, Fickle, X, people_model, y
from tridock.inference.bundle.baseline import Categorical, Numeric
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.errors import (
    BundleError,
    PackagingError,
    ScriptError,
)
from tridock.inference.packaging.package import About, package, package_script
from tridock.inference.packaging.sample import fingerprint


def test_the_manifest_says_where_the_model_comes_from(to: Path) -> None:
    about = About(
        "iris", "2.0", metrics={"accuracy": 0.9, "nan": float("nan")}, training=fingerprint(X, y)
    )
    manifest = package(GaussianNB().fit(X, y), X, to, about=about).manifest
    assert manifest.metrics == {"accuracy": 0.9, "nan": None}
    assert manifest.training == fingerprint(X.copy(), y.copy())
    assert manifest.training != fingerprint(X[::-1], y)
    assert manifest.training.rows == 150
    assert {"python", "scikit-learn", "numpy", "scipy", "joblib"} == set(manifest.libraries)
    assert manifest.framework == "scikit-learn"
    assert len(manifest.examples) == 20


def test_frames_note_the_version_of_pandas(to: Path) -> None:
    manifest = package(people_model(), PEOPLE, to, about=ABOUT).manifest
    assert manifest.libraries["pandas"] == pd.__version__


def test_private_rows_need_not_be_kept(to: Path) -> None:
    assert (
        package(GaussianNB().fit(X, y), X, to, about=About("iris", examples=0)).manifest.examples
        == ()
    )


def test_the_baseline_counts_features_predictions_and_confidence(to: Path) -> None:
    baseline = package(people_model(), PEOPLE, to, about=ABOUT).manifest.baseline
    assert baseline is not None
    income, job = baseline.features["income"], baseline.features["job"]
    assert isinstance(income, Numeric)
    assert isinstance(job, Categorical)
    assert (income.count, income.missing) == (15, 5)
    assert job.counts == {"a": 10, "b": 5, "c": 5}
    (predictions,) = baseline.predictions
    assert isinstance(predictions, Categorical)
    assert sum(predictions.counts.values()) == 20
    assert baseline.confidence is not None
    assert 0.5 <= (baseline.confidence.minimum or 0) <= 1


def test_source_date_epoch_is_the_time_of_creation(
    to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert (
        package(GaussianNB().fit(X, y), X, to, about=ABOUT).manifest.created
        == "1970-01-02T00:00:00Z"
    )
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(PackagingError, match="SOURCE_DATE_EPOCH is 'yesterday'"):
        package(GaussianNB().fit(X, y), X, to, about=ABOUT)


def test_two_processes_make_the_same_bundle(tmp_path: Path) -> None:
    digests = {train_iris(tmp_path / name) for name in ("one", "two")}
    assert len(digests) == 1


def train_iris(to: Path) -> str:
    subprocess.run(
        [sys.executable, "-m", "tridock.examples.iris.train", "--out", to],
        env={**os.environ, "SOURCE_DATE_EPOCH": "0"},
        check=True,
        capture_output=True,
    )
    return Bundle.read(to).digest


def test_the_commit_is_noted_and_absent_outside_of_a_repository(
    to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert package(GaussianNB().fit(X, y), X, to, about=ABOUT).manifest.commit is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q", "."], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    commit = package(GaussianNB().fit(X, y), X, to, about=ABOUT).manifest.commit
    assert commit is not None
    assert len(commit.removesuffix("-dirty")) == 40


@pytest.mark.parametrize(
    ("estimator", "sample", "message"),
    [
        (LogisticRegression(), X, "this LogisticRegression is not fitted: call fit"),
        (
            make_pipeline(StandardScaler(), LogisticRegression()),
            X,
            "this Pipeline is not fitted",
        ),
        (LogisticRegression, X, "cannot be packaged: it has no predict"),
        (StandardScaler().fit(X), X, "a StandardScaler cannot be packaged: it has no predict"),
        (DBSCAN().fit(X), X, "a DBSCAN cannot be packaged: it has no predict"),
        ("model", X, "a str cannot be packaged"),
        (FITTED, X[:, :2], "the model cannot predict the sample: X has 2 features"),
        (FITTED, X[0], "the sample has shape"),
        (FITTED, X[:0], "the sample has shape"),
        (FITTED, [[1, 2], [3]], "rows differ in length"),
        (FITTED, None, "the sample has shape"),
        (FITTED, X.astype(str), "the model cannot predict the sample|holds|mixes"),
        (FITTED, ["some", "texts"], "the model cannot predict the sample"),
        (FITTED, X[:2] * [np.inf, 1, 1, 1], "infinite value"),
        (FITTED, pd.DataFrame(X), "column names must be distinct strings"),
        (people_model(), PEOPLE.drop(columns="job"), "lacks columns the model needs: job"),
        (people_model(), PEOPLE.to_numpy(), "was fitted on a DataFrame with columns age, income"),
        (people_model(), PEOPLE.assign(income=np.nan), "column 'income' holds only missing"),
        (people_model(), PEOPLE[:0], "the sample is empty"),
        (Fickle(), X, "predicts the same rows differently each time"),
        (
            make_pipeline(FunctionTransformer(lambda rows: rows), GaussianNB()).fit(X, y),
            X,
            "the model cannot be stored",
        ),
    ],
)
def test_what_cannot_be_packaged_is_told_and_leaves_nothing(
    estimator: Any, sample: Any, message: str, to: Path
) -> None:
    with pytest.raises(PackagingError, match=message):
        package(estimator, sample, to, about=About("model", code=TESTS))
    assert not to.exists()


@pytest.mark.parametrize("name", ["", "Iris", "-iris", "iris-", "i_r", "ï", "x" * 64, "a b"])
def test_a_name_no_cloud_takes_is_refused(name: str, to: Path) -> None:
    with pytest.raises(PackagingError, match="1 to 63 of a-z"):
        package(FITTED, X, to, about=About(name))


@pytest.mark.parametrize("version", ["", ".1", "1/2", "x" * 33])
def test_a_version_no_cloud_takes_is_refused(version: str, to: Path) -> None:
    with pytest.raises(PackagingError, match="the version"):
        package(FITTED, X, to, about=About("iris", version))


def test_more_examples_than_a_manifest_keeps_are_refused(to: Path) -> None:
    with pytest.raises(PackagingError, match="keep 0 to 20"):
        package(FITTED, X, to, about=About("iris", examples=21))


def test_a_bundle_replaces_a_bundle_and_nothing_else(to: Path) -> None:
    package(FITTED, X, to, about=About("iris", "1"))
    assert package(FITTED, X, to, about=About("iris", "2")).version == "2"
    (to / "manifest.json").unlink()
    with pytest.raises(BundleError, match="neither empty nor a bundle"):
        package(FITTED, X, to, about=ABOUT)
    assert (to / "model.joblib").exists()


def test_a_failed_packaging_keeps_the_bundle_before(to: Path) -> None:
    package(FITTED, X, to, about=About("iris", "1"))
    unstorable = make_pipeline(FunctionTransformer(lambda rows: rows), GaussianNB()).fit(X, y)
    with pytest.raises(PackagingError):
        package(unstorable, X, to, about=About("iris", "2"))
    assert Bundle.read(to).version == "1"


def test_what_is_defined_in_the_running_script_is_refused(tmp_path: Path) -> None:
    program = """
import numpy as np
from tridock.inference.packaging.package import About, package
class Mine:
    def predict(self, rows): return [0.0 for _ in rows]
package(Mine(), np.ones((2, 2)), __import__("pathlib").Path("bundle"), about=About("mine"))
"""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Mine is defined in the script that runs" in done.stderr
    assert list(tmp_path.iterdir()) == []


SCRIPT = "def init(): pass\n\ndef run(data): return data\n"


def test_a_script_may_come_beside_the_model_or_alone(to: Path, tmp_path: Path) -> None:
    script = tmp_path / "anything.py"
    script.write_text(SCRIPT)
    beside = package(FITTED, X, to, about=About("iris", script=script))
    assert set(beside.manifest.files) == {"model.joblib", "model.onnx", "score.py"}
    alone = package_script(to, about=About("iris", script=script))
    assert set(alone.manifest.files) == {"score.py"}
    assert (alone.manifest.model, alone.manifest.signature) == (None, None)


def test_a_folder_of_code_is_taken_whole(to: Path, tmp_path: Path) -> None:
    code = tmp_path / "src"
    (code / "__pycache__").mkdir(parents=True)
    (code / "__pycache__" / "x.pyc").write_bytes(b"")
    (code / "score.py").write_text(SCRIPT)
    (code / "words.py").write_text("")
    bundle = package_script(to, about=About("iris", script=code))
    assert set(bundle.manifest.files) == {"code/score.py", "code/words.py"}
    assert bundle.manifest.script == "code/score.py"


def test_a_bad_script_is_refused_when_it_is_packaged(to: Path, tmp_path: Path) -> None:
    script = tmp_path / "score.py"
    script.write_text("def init(:\n")
    with pytest.raises(ScriptError, match=r"score\.py, line 1"):
        package(FITTED, X, to, about=About("iris", script=script))
    with pytest.raises(ScriptError, match="cannot be read"):
        package_script(to, about=About("iris", script=tmp_path / "absent.py"))
    with pytest.raises(PackagingError, match="neither a model nor a script"):
        package_script(to, about=ABOUT)
