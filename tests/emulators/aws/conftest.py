"""One emulated AWS for all tests of it, and boto3 as the judge."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from tests.emulators.aws.hosting import BUCKET, IMAGE, ROLE, Aws, Hosting, emulated, variant
from tridock.inference.packaging.package import About, package


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulated(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="session")
def sagemaker(aws: Aws) -> Any:
    return aws.client("sagemaker")


@pytest.fixture(scope="session")
def runtime(aws: Aws) -> Any:
    return aws.client("sagemaker-runtime", max_pool_connections=50)


@pytest.fixture(scope="session")
def s3(aws: Aws) -> Any:
    return aws.client("s3")


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Model archives by name: two models, one without a manifest, one that is no archive."""
    folder = tmp_path_factory.mktemp("bundles")
    rows, labels = load_iris(return_X_y=True)
    made = {}
    for name, estimator in (
        ("logistic", LogisticRegression(max_iter=500)),
        ("tree", DecisionTreeClassifier(random_state=0)),
    ):
        about = About(name="iris", version="1", examples=2)
        bundle = package(estimator.fit(rows, labels), rows, folder / name, about=about)
        made[name] = bundle.pack(folder / f"{name}.tar.gz")
    (folder / "logistic" / "manifest.json").unlink()
    made["broken"] = _tar(folder / "logistic", folder / "broken.tar.gz")
    made["nonsense"] = folder / "nonsense.tar.gz"
    made["nonsense"].write_bytes(b"this is no archive")
    return made


def _tar(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as out:
        out.add(folder, ".")
    return archive


@pytest.fixture(scope="session")
def models(sagemaker: Any, s3: Any, archives: Mapping[str, Path]) -> tuple[str, ...]:
    """SageMaker models named as their archives are."""
    s3.create_bucket(Bucket=BUCKET)
    for name, archive in archives.items():
        s3.upload_file(str(archive), BUCKET, f"{name}/model.tar.gz")
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": f"s3://{BUCKET}/{name}/model.tar.gz",
            },
        )
    return tuple(archives)


@pytest.fixture
def hosting(sagemaker: Any, runtime: Any, models: tuple[str, ...]) -> Iterator[Hosting]:
    """Makes endpoints, and deletes them when the test ends."""
    made = Hosting(sagemaker, runtime)
    yield made
    made.delete_all()


@pytest.fixture(scope="session")
def shared(sagemaker: Any, runtime: Any, models: tuple[str, ...]) -> str:
    """An endpoint with two variants that no test changes."""
    return Hosting(sagemaker, runtime).serve(variant("A", "logistic", 3), variant("B", "tree", 1))
