"""Engines: which one runs a model, what may be unpickled, and what the estimator costs no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tests.inference.models import ABOUT, FITTED, NAMES, PEOPLE, TESTS, X, people_model, squared, y
from tridock.inference import score
from tridock.inference.bundle.bundle import Bundle, listing
from tridock.inference.bundle.manifest import MANIFEST, Manifest
from tridock.inference.errors import ArgumentError, BundleError, PackagingError
from tridock.inference.model import engine, formats
from tridock.inference.model.sklearn_engine import Estimator
from tridock.inference.packaging.package import About, package, package_script

SAFELY = {"TRIDOCK_ALLOW_PICKLE": "false"}
SETOSA = [5.1, 3.5, 1.4, 0.2]


def loaded(path: Path, environment: dict[str, str]) -> Any:
    model = engine.model(Bundle.read(path), environment)
    assert model
    return model


def rewritten(path: Path, **changes: Any) -> None:
    manifest = Manifest.from_json((path / MANIFEST).read_text())
    changed = replace(manifest, files=listing(path), **changes)
    (path / MANIFEST).write_text(changed.to_json())


def test_without_pickles_a_compiled_model_is_served(iris_bundle: Bundle) -> None:
    model = loaded(iris_bundle.path, SAFELY)
    assert model.engine == "onnx"
    assert model.predict(model.signature.rows([SETOSA])) == ["setosa"]
    assert engine.unpickles(iris_bundle.manifest) == ""
    with pytest.raises(BundleError, match=r"is false and model\.joblib is a pickle: package"):
        loaded(iris_bundle.path, {**SAFELY, "TRIDOCK_ENGINE": "joblib"})


@pytest.mark.parametrize(
    "estimator", [FITTED, RandomForestClassifier(3), HistGradientBoostingClassifier(max_iter=2)]
)
def test_without_pickles_what_skops_stored_is_served(estimator: Any, to: Path) -> None:
    about = About("iris", store="skops", compile=False)
    bundle = package(estimator.fit(X, NAMES), X, to, about=about)
    assert set(bundle.manifest.files) == {"model.skops"}
    assert bundle.manifest.not_compiled == "it was not asked for"
    assert engine.unpickles(bundle.manifest) == ""
    model = loaded(to, SAFELY)
    assert model.engine == "skops"
    assert model.predict(model.signature.rows(X.tolist())) == estimator.predict(X).tolist()


PLAIN_FORMAT = """
import json
from numpy import array
from sklearn.linear_model import LinearRegression

def store(estimator, file):
    file.write_text(json.dumps([estimator.coef_.tolist(), float(estimator.intercept_)]))
    return ()

def load(file, trusted):
    fitted = LinearRegression()
    coefficients, fitted.intercept_ = json.loads(file.read_text())
    fitted.coef_ = array(coefficients)
    return fitted
"""


def test_a_format_of_models_is_a_module_and_its_line(
    to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_format.py").write_text(PLAIN_FORMAT)
    monkeypatch.syspath_prepend(tmp_path)
    plain = formats.Format("plain", ".json", unpickles=False, module="plain_format")
    monkeypatch.setitem(formats.FORMATS, "plain", plain)
    estimator = LinearRegression().fit(X, y)
    bundle = package(estimator, X, to, about=About("iris", store="plain", compile=False))
    assert set(bundle.manifest.files) == {"model.json"}
    model = loaded(to, SAFELY)
    assert model.engine == "plain"
    answers = model.predict(model.signature.rows(X.tolist()))
    assert answers == pytest.approx(estimator.predict(X).tolist())


def test_an_unknown_format_is_refused_by_name(to: Path) -> None:
    with pytest.raises(ArgumentError, match="store is 'pmml': give one of joblib, skops"):
        package(FITTED, X, to, about=About("iris", store="pmml"))
    assert not to.exists()


def test_without_pickles_a_joblib_file_alone_is_refused(to: Path) -> None:
    bundle = package(FITTED, X, to, about=About("iris", compile=False))
    assert engine.unpickles(bundle.manifest) == (
        "model.joblib is a pickle, and the model is not compiled (it was not asked for)"
    )
    with pytest.raises(BundleError, match="store it with skops"):
        loaded(to, SAFELY)
    assert loaded(to, {"TRIDOCK_ALLOW_PICKLE": "true"}).engine == "joblib"


def test_without_pickles_a_script_is_refused(to: Path, tmp_path: Path) -> None:
    script = tmp_path / "score.py"
    script.write_text("def init(): pass\n\ndef run(data): return data\n")
    bundle = package_script(to, about=About("own", script=script))
    assert "may unpickle anything" in engine.unpickles(bundle.manifest)
    with pytest.raises(BundleError, match="a scoring script, which may unpickle anything"):
        engine.model(bundle, SAFELY)
    assert engine.model(bundle, {}) is None


@pytest.mark.parametrize("word", ["no", "never", "flase"])
def test_a_word_that_is_neither_true_nor_false_is_refused(
    word: str, iris_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIDOCK_ALLOW_PICKLE", word)
    with pytest.raises(BundleError, match=f"TRIDOCK_ALLOW_PICKLE is '{word}': give true or false"):
        score.init(iris_bundle.path)


def test_what_skops_may_not_trust_is_not_packaged(to: Path) -> None:
    estimator = make_pipeline(FunctionTransformer(squared), LogisticRegression(max_iter=2000)).fit(
        X, y
    )
    with pytest.raises(PackagingError, match="is not trusted: only types of sklearn"):
        package(estimator, X, to, about=About("iris", store="skops", code=TESTS))
    assert not to.exists()


@pytest.mark.parametrize(
    "name",
    ["os.system", "builtins.eval", "numpy.f2py.compile", "sklearnx.Evil", "subprocess.Popen"],
)
def test_a_manifest_cannot_trust_what_is_no_part_of_a_model(name: str, to: Path) -> None:
    package(FITTED, X, to, about=About("iris", store="skops", compile=False))
    rewritten(to, trusted=(name,))
    with pytest.raises(BundleError, match=f"the manifest trusts {name}: only types of"):
        loaded(to, {})


def test_what_the_manifest_does_not_trust_is_not_loaded(to: Path) -> None:
    import skops.io

    package(FITTED, X, to, about=About("iris", store="skops", compile=False))
    evil = make_pipeline(FunctionTransformer(squared), LogisticRegression(max_iter=2000)).fit(X, y)
    skops.io.dump(evil, to / "model.skops")
    rewritten(to)
    with pytest.raises(BundleError, match="which its manifest does not trust: nothing was loaded"):
        loaded(to, {})


def test_a_compiled_model_needs_no_scikit_learn_of_its_own_version(copied: Path) -> None:
    rewritten(copied, libraries={"python": "3.11.7", "scikit-learn": "1.0.2"})
    model = loaded(copied, {})
    assert model.predict(model.signature.rows([SETOSA])) == ["setosa"]


def test_a_manifest_of_before_is_read_as_it_was(copied: Path) -> None:
    (copied / "model.onnx").unlink()
    rewritten(copied, compiled=None)
    record = json.loads((copied / MANIFEST).read_text())
    assert not {"compiled", "not_compiled", "trusted"} & set(record)
    assert loaded(copied, {}).engine == "joblib"


def test_a_spoilt_graph_is_refused_in_words(copied: Path) -> None:
    (copied / "model.onnx").write_bytes(b"no graph")
    rewritten(copied)
    with pytest.raises(BundleError, match=r"model\.onnx does not load"):
        loaded(copied, {})


def test_a_forest_of_all_cores_predicts_in_the_thread_that_asks(to: Path) -> None:
    forest = RandomForestClassifier(3, n_jobs=-1).fit(X, y)
    package(make_pipeline(StandardScaler(), forest).fit(X, y), X, to, about=ABOUT)
    model = loaded(to, {"TRIDOCK_ENGINE": "joblib"})
    assert model.runner.fitted.steps[-1][1].n_jobs == 1


def test_a_frame_is_made_only_for_models_that_look_at_it(to: Path) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"]).assign(e=np.arange(len(X)))
    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(frame, NAMES)
    expected = scaled.predict(frame).tolist()
    package(scaled, frame, to, about=ABOUT)
    plain = loaded(to, {"TRIDOCK_ENGINE": "joblib"})
    assert isinstance(plain.runner, Estimator)
    assert plain.runner.plain
    assert plain.predict(plain.signature.rows(frame.to_numpy().tolist())) == expected
    package(people_model(), PEOPLE, to, about=ABOUT)
    assert not loaded(to, {"TRIDOCK_ENGINE": "joblib"}).runner.plain


THREADS = """
import os, sys
from pathlib import Path
from tridock.inference import cpu
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.model import engine, formats
cpu.available = lambda root=cpu.ROOT: 1.0
engine.model(Bundle.read(Path(sys.argv[1])), {"TRIDOCK_ENGINE": "joblib"})
from threadpoolctl import threadpool_info
print(os.environ["OMP_NUM_THREADS"], {each["num_threads"] for each in threadpool_info()})
"""


def test_libraries_start_no_more_threads_than_there_are_cores(iris_bundle: Bundle) -> None:
    environment = {name: value for name, value in os.environ.items() if "_THREADS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", THREADS, iris_bundle.path],
        env={**environment, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split(maxsplit=1) == ["1", "{1}\n"]
