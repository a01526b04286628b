"""The built images: small, complete, listed; and the judge of images before bad ones."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.check.finding import State
from tridock.inference.check.image import judge
from tridock.inference.image.contents import read
from tridock.inference.image.engine import docker, inspect
from tridock.inference.image.size import measure
from tridock.inference.packaging.package import About, package_script

#: Megabytes over the base, compressed.
LARGEST = {"onnx": 70, "sklearn": 140}
#: Every estimator of scikit-learn, and what else models and servers import.
EVERYTHING = """
import importlib, pkgutil, warnings
warnings.simplefilter("ignore")
from sklearn.utils import all_estimators
import joblib, pandas, scipy
print(len(all_estimators()))
for package in (scipy, pandas):
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not found.name.rpartition(".")[2].startswith(("_", "conftest", "setup")):
            importlib.import_module(found.name)
frame = pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
print(frame.groupby("b").sum().to_json(), pandas.read_csv(__import__("io").StringIO("a,b")).shape)
"""
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(found) if found else 0)
"""
CARELESS = """FROM python:3.11-slim-bookworm
ENV PIP_INDEX_URL=https://somebody:secret@index.example/simple
LABEL com.amazonaws.sagemaker.capabilities.multi-models="true"
ENTRYPOINT python3 -c "raise SystemExit('no model')"
"""


@pytest.fixture(scope="module")
def careless() -> Iterator[str]:
    name = "tridock-test-careless:1"
    command = ["docker", "build", "--tag", name, "-"]
    subprocess.run(command, input=CARELESS, text=True, check=True, capture_output=True)
    yield name
    docker("rmi", "--force", name)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("script")
    (folder / "score.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return 1\n")
    return package_script(folder / "bundle", about=About(name="one", script=folder / "score.py"))


@pytest.mark.parametrize("variant", LARGEST)
def test_it_is_small(variant: str) -> None:
    size = measure(inspect(f"tridock:{variant}"))
    assert size.base == "python:3.11-slim-bookworm"
    assert size.compressed < LARGEST[variant] * 1e6


def test_the_variant_onnx_holds_nothing_that_unpickles_models() -> None:
    packages = {each.name.lower() for each in read(inspect("tridock:onnx")).packages}
    assert {"numpy", "onnxruntime"} <= packages
    assert not {"scikit-learn", "scipy", "pandas", "joblib"} & packages


def test_what_was_left_out_is_missed_by_no_estimator() -> None:
    printed = docker(
        *("run", "--rm", "--read-only", "--network", "none", "--tmpfs", "/tmp"),
        *("--entrypoint", "python3", "tridock:sklearn", "-c", EVERYTHING),
    )
    estimators, _, rest = printed.partition("\n")
    assert int(estimators) > 200
    assert rest == '{"a":{"x":1.0,"y":2.0}} (0, 2)'


@pytest.mark.parametrize("variant", LARGEST)
def test_its_bill_keeps_the_schema(variant: str, images: Path) -> None:
    python = ".venvs/audit/bin/python"
    subprocess.run([python, "-c", VALIDATE, images / variant / "sbom.json"], check=True)


def test_a_careless_image_is_judged_rule_by_rule(careless: str, bundle: Bundle) -> None:
    found = {each.rule: each for each in judge(careless, ("aws",), bundle.path)}
    broken = {name for name, each in found.items() if each.state is State.BROKEN}
    assert {"image-entry", "image-user", "image-secrets", "image-labels"} <= broken
    assert found["aws-start"].came == "it exited with 1: no model"
    assert found["aws-ping"].state is State.UNJUDGED
