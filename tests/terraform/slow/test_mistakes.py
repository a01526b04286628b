"""Mistakes planted in the modules, and the check that stops each."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.terraform.module import Module, TerraformError, UnavailableError


@dataclass(frozen=True)
class Mistake:
    """One edit of a module.

    Attributes
    ----------
    check : tuple of str
        The words of Terraform that find it.
    told : str
        What they say of it.
    """

    cloud: str
    file: str
    right: str
    wrong: str
    check: tuple[str, ...]
    told: str


TEST = ("test", "-no-color", "-filter=tests/defaults.tftest.hcl")
VALIDATE = ("validate", "-no-color")
MISTAKES = {
    "a public bucket on AWS": Mistake(
        "aws", "storage.tf", "block_public_policy     = true", "block_public_policy     = false",
        TEST, "the bucket lets public ACLs or policies in",
    ),
    "a wildcard action on AWS": Mistake(
        "aws", "deployer.tf", '"sagemaker:CreateModel"', '"sagemaker:*"',
        TEST, "the deployer's policy has a wildcard action",
    ),
    "a wrong attribute on AWS": Mistake(
        "aws", "keys.tf", "enable_key_rotation ", "enable_rotation ",
        VALIDATE, 'An argument named "enable_rotation" is not expected here',
    ),
    "a public bucket on Google Cloud": Mistake(
        "gcp", "storage.tf", '"enforced"', '"inherited"',
        TEST, "the bucket can be made public",
    ),
    "a wildcard permission on Google Cloud": Mistake(
        "gcp", "deployer.tf", '"aiplatform.models.upload"', '"aiplatform.models.*"',
        TEST, "the deployer may change who may what",
    ),
    "a wrong attribute on Google Cloud": Mistake(
        "gcp", "registry.tf", "immutable_tags", "immutable",
        VALIDATE, 'An argument named "immutable" is not expected here',
    ),
    "a public account on Azure": Mistake(
        "azure", "storage.tf", "allow_nested_items_to_be_public = false",
        "allow_nested_items_to_be_public = true", TEST, "the storage can be public",
    ),
    "a wildcard action on Azure": Mistake(
        "azure", "deployer.tf", "/onlineEndpoints/listKeys/action", "/onlineEndpoints/*",
        TEST, "the deployer's role has a wildcard",
    ),
    "a wrong attribute on Azure": Mistake(
        "azure", "registry.tf", "anonymous_pull_enabled ", "anonymous_pull ",
        VALIDATE, 'An argument named "anonymous_pull" is not expected here',
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Module]:
    folder = tmp_path_factory.mktemp("terraform")
    try:
        return {cloud: Module.copied(cloud, folder) for cloud in ("aws", "azure", "gcp")}
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_stopped(
    name: str, modules: dict[str, Module], tmp_path: Path
) -> None:
    mistake = MISTAKES[name]
    copy = Path(shutil.copytree(modules[mistake.cloud].folder, tmp_path / "copy", symlinks=True))
    file = copy / mistake.file
    assert mistake.right in file.read_text()
    file.write_text(file.read_text().replace(mistake.right, mistake.wrong))
    with pytest.raises(TerraformError) as refused:
        Module(mistake.cloud, copy).run(*mistake.check)
    assert mistake.told in " ".join(str(refused.value).split())
