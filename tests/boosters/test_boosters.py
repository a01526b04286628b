"""XGBoost and LightGBM: packaged where they are installed, served here, where they are not."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.errors import BundleError
from tridock.inference.model import engine

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venvs" / "boosters" / "bin" / "python"
NAMES = ("three", "two", "number", "scaled")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("boosters")


@pytest.fixture(scope="module")
def told(folder: Path) -> Any:
    done = subprocess.run(
        [PYTHON, Path(__file__).with_name("package_them.py"), folder],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("library", ["xgb", "lgbm"])
@pytest.mark.parametrize("name", NAMES)
def test_a_booster_is_proven_equal_and_served_without_its_library(
    library: str, name: str, folder: Path, told: Any
) -> None:
    assert importlib.util.find_spec("xgboost") is importlib.util.find_spec("lightgbm") is None
    facts = told[f"{library}-{name}"]
    assert facts["compiled"], facts["reason"]
    assert facts["compiled"]["rows"] > 1000
    bundle = Bundle.read(folder / f"{library}-{name}")
    model = engine.model(bundle, {"TRIDOCK_ALLOW_PICKLE": "false"})
    assert model
    answers = model.predict(model.signature.rows(facts["rows"]))
    if name == "number":
        np.testing.assert_allclose(answers, facts["answers"], rtol=1e-5)
    else:
        assert answers == facts["answers"]


def test_without_its_graph_a_booster_names_the_library_that_is_missing(
    folder: Path, told: Any
) -> None:
    assert told
    bundle = Bundle.read(folder / "xgb-three")
    assert {"xgboost-cpu", "scikit-learn"} <= set(bundle.manifest.libraries)
    with pytest.raises(BundleError, match="needs the module 'xgboost'"):
        engine.model(bundle, {"TRIDOCK_ENGINE": "joblib"})
