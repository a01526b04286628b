"""Bundles that the tests of the image share: read-only, made once."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tridock.examples.loan import data as loan
from tridock.examples.loan import train as loan_training
from tridock.examples.spam import train as spam
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.packaging.package import About, package

IRIS_FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


@pytest.fixture(scope="session")
def iris_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Four numbers in, a species' name out; called with an array."""
    data = load_iris()
    model = LogisticRegression(max_iter=1000).fit(data.data, data.target_names[data.target])
    about = About("iris", metrics={"accuracy": 0.97}, features=IRIS_FIELDS)
    return package(model, data.data, tmp_path_factory.mktemp("iris") / "bundle", about=about)


@pytest.fixture(scope="session")
def loan_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Mixed columns with nulls and closed categories in, approved or declined out; a DataFrame."""
    applications = loan.generate(400, seed=1)
    rows = applications[list(loan.FEATURES)]
    model = loan_training.pipeline(C=1.0).fit(rows, applications[loan.TARGET])
    return package(
        model, rows, tmp_path_factory.mktemp("loan") / "bundle", about=About("loan", "1.2")
    )


@pytest.fixture(scope="session")
def spam_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Text in, ham or spam out."""
    texts, kinds = spam.read(spam.MESSAGES)
    model = spam.pipeline(C=10.0).fit(texts, kinds)
    return package(model, texts, tmp_path_factory.mktemp("spam") / "bundle", about=About("spam"))


@pytest.fixture
def copied(iris_bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the iris bundle that a test may spoil."""
    return Path(shutil.copytree(iris_bundle.path, tmp_path / "copied"))


@pytest.fixture
def script_traces() -> Iterator[None]:
    """Undo what a loaded script leaves in this process."""
    environment, path = dict(os.environ), list(sys.path)
    modules, bytecode = set(sys.modules), sys.dont_write_bytecode
    yield
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path
    sys.dont_write_bytecode = bytecode
    for module in set(sys.modules) - modules:
        del sys.modules[module]


@pytest.fixture
def to(tmp_path: Path) -> Iterator[Path]:
    """Where to package; nothing else may appear beside it."""
    yield tmp_path / "out" / "bundle"
    left = list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else []
    assert [path.name for path in left] in ([], ["bundle"])
