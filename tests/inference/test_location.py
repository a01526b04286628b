"""Where the bundle is looked for, and in which order."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.location import find
from tridock.inference.errors import BundleMissingError


@pytest.fixture
def copies(iris_bundle: Bundle, tmp_path: Path) -> dict[str, Path]:
    """The same bundle in four places."""
    return {
        name: Path(shutil.copytree(iris_bundle.path, tmp_path / name / "bundle")).parent / "bundle"
        for name in ("given", "sagemaker", "vertex", "azure")
    }


def test_the_argument_comes_before_all_clouds(copies: dict[str, Path], tmp_path: Path) -> None:
    environment = {
        "AIP_STORAGE_URI": str(copies["vertex"]),
        "AZUREML_MODEL_DIR": str(copies["azure"]),
    }
    absent = tmp_path / "absent"
    order = [
        find(copies["given"], environment=environment, sagemaker=copies["sagemaker"]),
        find(environment=environment, sagemaker=copies["sagemaker"]),
        find(environment=environment, sagemaker=absent),
        find(environment={"AZUREML_MODEL_DIR": str(copies["azure"])}, sagemaker=absent),
    ]
    assert order == list(copies.values())


def test_a_file_uri_is_a_directory(copies: dict[str, Path], tmp_path: Path) -> None:
    environment = {"AIP_STORAGE_URI": copies["vertex"].as_uri()}
    assert find(environment=environment, sagemaker=tmp_path / "absent") == copies["vertex"]


def test_azure_mounts_the_folder_inside(copies: dict[str, Path], tmp_path: Path) -> None:
    environment = {"AZUREML_MODEL_DIR": str(copies["azure"].parent)}
    assert find(environment=environment, sagemaker=tmp_path / "absent") == copies["azure"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", r"absent \(from --bundle\) has no manifest\.json: it is no directory"),
        ("empty", r"has no manifest\.json: no such directory in it"),
        ("two", r"has no manifest\.json: 2 subdirectories with one"),
    ],
)
def test_a_place_without_one_bundle_is_told(
    copies: dict[str, Path], tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    shutil.copytree(copies["azure"], tmp_path / "two" / "first")
    shutil.copytree(copies["azure"], tmp_path / "two" / "second")
    with pytest.raises(BundleMissingError, match=message):
        find(tmp_path / name)


def test_no_place_at_all_is_told_with_every_way_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="--bundle DIR, mount .*, or set AIP_STORAGE_URI"):
        find(environment={"AIP_STORAGE_URI": ""}, sagemaker=tmp_path / "absent")
