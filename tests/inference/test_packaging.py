"""Packaging: any fitted estimator becomes a bundle that answers as it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from inference import packaging, score
from inference.baseline import Categorical, Numeric, Text
from inference.bundle import Bundle
from inference.errors import (
    BundleError,
    InferenceError,
    PackagingError,
    ScriptError,
    VersionError,
)
from inference.packaging import About, package, package_script
from inference.sample import fingerprint

X, y = load_iris(return_X_y=True)
NAMES = load_iris().target_names[y]
TWO = np.column_stack([y == 0, y == 1])
ABOUT = About("model")
PEOPLE = pd.DataFrame(
    {
        "age": [20, 30, 40, 50] * 5,
        "income": [1.5, 2.5, np.nan, 4.0] * 5,
        "job": ["a", "b", "c", "a"] * 5,
        "owner": [True, False] * 10,
    }
)
ANSWERS = ["yes", "no"] * 10
TEXTS = ["hello world", "buy now", "good day", "cheap now"] * 3


@pytest.fixture
def to(tmp_path: Path) -> Iterator[Path]:
    """Where to package; nothing else may appear beside it."""
    yield tmp_path / "out" / "bundle"
    left = list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else []
    assert [path.name for path in left] in ([], ["bundle"])


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
    np.testing.assert_array_equal(np.array(answers, dtype=expected.dtype), expected)
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
    assert list(answer["probabilities"].values()) == estimator.predict_proba(X[:1])[0].tolist()


def test_several_outputs_give_probabilities_each(to: Path) -> None:
    estimator = MultiOutputClassifier(GaussianNB()).fit(X, TWO)
    score.init(package(estimator, X, to, about=ABOUT).path)
    (answer,) = score.run_with_probabilities([X[0].tolist()])
    assert answer["prediction"] == [True, False]
    assert [set(each) for each in answer["probabilities"]] == [{"false", "true"}] * 2


def people_model() -> Any:
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["income"]),
        ("passthrough", ["age"]),
        (OneHotEncoder(), ["job"]),
        (OneHotEncoder(handle_unknown="ignore"), ["owner"]),
    )
    return make_pipeline(columns, LogisticRegression()).fit(PEOPLE, ANSWERS)


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
        [sys.executable, "-m", "examples.iris.train", "--out", to],
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


class Own:
    """Predicts, and knows nothing of scikit-learn."""

    def predict(self, rows: Any) -> list[float]:
        return [float(row[0]) * 2 for row in rows]


def test_an_estimator_of_another_make_is_taken(to: Path) -> None:
    bundle = package(Own(), X, to, about=ABOUT)
    assert bundle.manifest.output
    assert bundle.manifest.output.task == "other"
    score.init(to)
    assert score.run([[1, 2, 3, 4]]) == [2.0]


class Fickle:
    """Never answers the same."""

    def __init__(self) -> None:
        self.count = 0

    def predict(self, rows: Any) -> list[float]:
        self.count += 1
        return [float(self.count) for _ in rows]


FITTED = LogisticRegression(max_iter=1000).fit(X, NAMES)


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
        (Fickle(), X, "does the model depend on the column types, or is it random"),
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
        package(estimator, sample, to, about=ABOUT)
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
from inference.packaging import About, package
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
    assert set(beside.manifest.files) == {"model.joblib", "score.py"}
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


def command(*words: object) -> int:
    parser = ArgumentParser()
    packaging.add_arguments(parser)
    return packaging.main(parser.parse_args([str(word) for word in words]))


def test_the_command_line_packages_files(
    to: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, sample, metrics = (tmp_path / name for name in ("m.joblib", "s.csv", "m.json"))
    joblib.dump(people_model(), model)
    PEOPLE.assign(target=ANSWERS).to_csv(sample, index=False)
    metrics.write_text('{"accuracy": 0.75}')
    words = ("--model", model, "--sample", sample, "--metrics", metrics, "--out", to)
    assert command(*words, "--name", "people", "--version", "7") == 0
    bundle = Bundle.read(to)
    assert (bundle.name, bundle.version, bundle.manifest.metrics) == (
        "people",
        "7",
        {"accuracy": 0.75},
    )
    assert bundle.digest in capsys.readouterr().out


def test_the_command_line_says_what_is_missing(tmp_path: Path) -> None:
    model, other = tmp_path / "m.joblib", tmp_path / "other"
    joblib.dump(FITTED, model)
    other.write_text("[1")
    for words, message in (
        ((), "neither a model nor a script"),
        (("--model", tmp_path / "absent"), "--model .*absent: there is no such file"),
        (("--model", model), "--model needs --sample"),
        (("--model", model, "--sample", tmp_path / "absent"), "there is no such file"),
        (("--model", model, "--sample", tmp_path / "m.joblib"), "is no CSV file"),
        (("--model", other), "does not load"),
        (("--metrics", other), "is not a JSON object"),
    ):
        with pytest.raises(BundleError, match=message):
            command("--name", "x", "--out", tmp_path / "out", *words)


def test_a_model_stored_by_another_scikit_learn_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, sample = tmp_path / "m.joblib", tmp_path / "s.csv"
    with monkeypatch.context() as older:
        older.setattr("sklearn.base.__version__", "1.0.2")
        joblib.dump(FITTED, model)
    pd.DataFrame(X).to_csv(sample, index=False)
    with pytest.raises(VersionError, match=r"fitted with scikit-learn 1\.0\.2 and here is"):
        command("--name", "x", "--out", tmp_path / "out", "--model", model, "--sample", sample)
