"""A model with modules of the user's own brings them in its bundle, or is not packaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tridock.inference.bundle.bundle import Bundle

ROOT = Path(__file__).parents[2]
FEATURES = """
from {helper} import factor
from sklearn.base import BaseEstimator, TransformerMixin

class Doubled(TransformerMixin, BaseEstimator):
    def fit(self, rows, target=None):
        self.factor_ = factor()
        return self
    def transform(self, rows):
        return rows * self.factor_
"""
TRAIN = """
import sys
sys.path.insert(0, {path!r})
import joblib, pandas as pd
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from {module} import Doubled
X, y = load_iris(return_X_y=True)
joblib.dump(make_pipeline(Doubled(), LogisticRegression(max_iter=2000)).fit(X, y), "m.joblib")
pd.DataFrame(X).to_csv("s.csv", index=False)
"""


def run(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def packaged(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    given = ("--model", "m.joblib", "--sample", "s.csv", "--name", "x", "--out", "o")
    return run(folder, "-m", "tridock.inference", "package", *given, *words)


def modules(folder: Path) -> None:
    (folder / "factors.py").write_text("def factor(): return 2.0\n")
    (folder / "features.py").write_text(FEATURES.format(helper="factors"))


def package(folder: Path) -> None:
    (folder / "churn").mkdir(parents=True)
    (folder / "churn" / "__init__.py").write_text("")
    (folder / "churn" / "factors.py").write_text("def factor(): return 2.0\n")
    (folder / "churn" / "features.py").write_text(FEATURES.format(helper="churn.factors"))


@pytest.mark.parametrize("form", ["folder of modules", "package"])
def test_own_modules_are_served_from_the_bundle_alone(form: str, tmp_path: Path) -> None:
    code = tmp_path / "src"
    code.mkdir()
    (modules if form == "folder of modules" else package)(code)
    module = "features" if form == "folder of modules" else "churn.features"
    trained = run(tmp_path, "-c", TRAIN.format(path=str(code), module=module))
    assert trained.returncode == 0, trained.stderr
    refused = packaged(tmp_path)
    assert refused.returncode == 2
    assert "--code DIR" in refused.stderr
    given = code if form == "folder of modules" else code / "churn"
    done = packaged(tmp_path, "--code", given)
    assert done.returncode == 0, done.stderr
    manifest = Bundle.read(tmp_path / "o").manifest
    assert manifest.code == "modules"
    assert f"modules/{module.replace('.', '/')}.py" in manifest.files
    (tmp_path / "elsewhere").mkdir()
    program = (
        "from pathlib import Path; from tridock.inference import score; "
        "score.init(Path('../o')); print(score.run([[5.1, 3.5, 1.4, 0.2]]))"
    )
    answered = run(tmp_path / "elsewhere", "-c", program)
    assert answered.stdout == "[0]\n", answered.stderr
    Bundle.read(tmp_path / "o")


def test_code_that_lacks_what_it_imports_itself_is_refused(tmp_path: Path) -> None:
    modules(tmp_path)
    trained = run(tmp_path, "-c", TRAIN.format(path=str(tmp_path), module="features"))
    assert trained.returncode == 0, trained.stderr
    done = packaged(tmp_path, "--code", "features.py")
    assert done.returncode == 1
    assert "does not load on its own" in done.stderr
    assert "factors" in done.stderr
    assert not (tmp_path / "o").exists()


def test_packaging_from_python_names_the_module_to_give(tmp_path: Path) -> None:
    modules(tmp_path)
    program = """
import numpy as np
from features import Doubled
from pathlib import Path
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from tridock.inference.errors import PackagingError
from tridock.inference.packaging.package import About, package
X = np.arange(20.0).reshape(10, 2)
model = make_pipeline(Doubled(), LogisticRegression()).fit(X, [0, 1] * 5)
for code in (None, Path("factors.py"), Path("absent")):
    try:
        package(model, X, Path("o"), about=About("mine", code=code))
    except PackagingError as error:
        print(error)
"""
    (tmp_path / "run.py").write_text(program)
    done = run(tmp_path, "run.py")
    first, second, third = done.stdout.splitlines()
    assert f"package it with --code {tmp_path / 'features.py'}" in first
    assert "--code factors.py does not have it" in second
    assert "--code absent: there is no such file or folder" in third
    assert not (tmp_path / "o").exists()


def test_a_class_of_the_running_script_is_found_among_learnt_attributes(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(
        """
import numpy as np
from pathlib import Path
from sklearn.linear_model import LogisticRegression
from tridock.inference.packaging.package import About, package
class Note: pass
X = np.arange(20.0).reshape(10, 2)
model = LogisticRegression().fit(X, [0, 1] * 5)
model.note_ = {"from": [Note()]}
package(model, X, Path("o"), about=About("mine"))
"""
    )
    done = run(tmp_path, "run.py")
    assert "Note is defined in the script that runs" in done.stderr
