"""Each adapter has the verbs of its port, and each service of a cloud can be imported."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

from tests.deploy.memory import MemoryNotes, MemoryTarget
from tests.deploy.memory_models import MemoryModels
from tridock.deploy.aws.models import SageMakerModels
from tridock.deploy.aws.store import S3Notes
from tridock.deploy.aws.target import SageMakerTarget
from tridock.deploy.azure.bundles import BlobNotes
from tridock.deploy.azure.container_apps import ContainerAppsTarget
from tridock.deploy.azure.instances import InstancesTarget
from tridock.deploy.azure.models import AzureModels
from tridock.deploy.azure.target import AzureTarget
from tridock.deploy.gcp.cloud_run import CloudRunTarget
from tridock.deploy.gcp.models import GoogleModels
from tridock.deploy.gcp.store import ObjectNotes
from tridock.deploy.gcp.target import VertexTarget
from tridock.deploy.local.models import FolderModels
from tridock.deploy.local.notes import FileNotes
from tridock.deploy.local.target import LocalTarget
from tridock.deploy.target import plugins
from tridock.deploy.target.model_registry import Models
from tridock.deploy.target.notes import Notes
from tridock.deploy.target.protocol import Target
from tridock.deploy.waiting.retry import CHECKS

ADAPTERS: dict[type, tuple[type, ...]] = {
    Target: (
        *(SageMakerTarget, VertexTarget, CloudRunTarget, AzureTarget, ContainerAppsTarget),
        *(InstancesTarget, LocalTarget, MemoryTarget),
    ),
    Models: (SageMakerModels, GoogleModels, AzureModels, FolderModels, MemoryModels),
    Notes: (S3Notes, ObjectNotes, BlobNotes, FileNotes, MemoryNotes),
}


def verbs(port: type) -> Iterator[str]:
    return (name for name in dir(port) if name[:1] != "_" and callable(getattr(port, name)))


@pytest.mark.parametrize("port", ADAPTERS, ids=lambda port: str(port.__name__))
def test_an_adapters_verbs_have_the_parameters_of_the_port(port: type) -> None:
    for name in verbs(port):
        wanted = list(inspect.signature(getattr(port, name)).parameters)
        for adapter in ADAPTERS[port]:
            given = list(inspect.signature(getattr(adapter, name)).parameters)
            assert given == wanted, f"{adapter.__name__}.{name}"


@pytest.mark.parametrize("port", ADAPTERS, ids=lambda port: str(port.__name__))
def test_a_parameter_that_is_checked_by_its_name_is_a_name(port: type) -> None:
    others = {
        "deployment": "str | None",
        "traffic": "Mapping[str, int]",
        "release": "Release",
        "bundle": "Bundle",
    }
    for name in verbs(port):
        for parameter in inspect.signature(getattr(port, name)).parameters.values():
            if parameter.name in CHECKS:
                assert parameter.annotation in ("str", others.get(parameter.name)), name


@pytest.mark.parametrize("name", plugins.TARGETS)
def test_what_a_target_names_is_there(name: str) -> None:
    cloud = plugins.find(name)
    services = {plugins.imported(service) for service in cloud.services.values()}
    assert services <= set(ADAPTERS[Target])
    if cloud.provision:
        assert list(inspect.signature(plugins.imported(cloud.provision)).parameters) == ["settings"]
