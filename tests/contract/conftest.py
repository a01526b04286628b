"""One rig per target: the same suite runs on each.

``KIT_LIVE=aws`` runs the aws rig on a real account, whose settings stand in the environment as
``TRIDOCK_AWS_BUCKET``, ``TRIDOCK_AWS_ROLE``, ``TRIDOCK_AWS_IMAGE``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from tests.deploy import bundles
from tests.deploy.memory import MemoryTarget
from tridock.deploy.cli import session
from tridock.deploy.config.load import load
from tridock.deploy.progress import Progress
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.target import plugins
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Release, deployment_name
from tridock.deploy.waiting import retry
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle

LIVE = os.environ.get("KIT_LIVE", "")
#: The second place of a cloud beside its first, by a setting.
SECOND = {
    "cloud-run": ("gcp", {"gcp.service": "cloud-run"}),
    "aci": ("azure", {"azure.service": "aci"}),
    "container-apps": ("azure", {"azure.service": "container-apps"}),
}
TARGETS = [LIVE] if LIVE else ["memory", *plugins.TARGETS, *SECOND]

#: Emulated seconds per second: states are passed through, and soon.
SPEED = "600"
#: Seconds that a cloud's minute lasts.
MINUTE = 60.0 if LIVE else 60.0 / float(SPEED)

#: Beginnings of variables that lead the clouds' clients somewhere.
AMBIENT = ("AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_")

#: Machine sizes and images by target; others need none.
SIZES = {"aws": "ml.m5.large", "azure": "Standard_DS3_v2", "gcp": "n1-standard-2"}
IMAGES = {
    "aws": "123456789012.dkr.ecr.us-east-1.amazonaws.com/kit:1",
    "azure": "kit.azurecr.io/kit:1",
    "gcp": "us-central1-docker.pkg.dev/kit/kit/kit:1",
}


@pytest.fixture(scope="module", params=TARGETS)
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """Every target in turn, each brought up once."""
    if request.param == "memory":
        yield MemoryTarget()
        return
    cloud, flags = SECOND.get(request.param, (request.param, {}))
    state = tmp_path_factory.mktemp(request.param)
    before = dict(os.environ)
    for name in [name for name in before if name.startswith(AMBIENT) and not LIVE]:
        del os.environ[name]
    emulator = [sys.executable, "-m", "tridock.emulators"]
    where = [cloud, "--state", str(state)]
    if not LIVE and plugins.find(cloud).provision:
        subprocess.run([*emulator, "up", *where, "--speed", SPEED], check=True)
    try:
        read = load(None, {"target": cloud, "state": str(state), **flags})
        opened = session.connect(read, Progress(), live=bool(LIVE)).target
        yield opened
        retry.close(opened)
    finally:
        if not LIVE and plugins.find(cloud).provision:
            subprocess.run([*emulator, "down", *where], check=True)
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    """Two versions of a model."""
    folder = tmp_path_factory.mktemp("bundles")
    return bundles.good(folder / "1", "1"), bundles.good(folder / "2", "2")


@pytest.fixture
def endpoint(target: Target) -> Iterator[str]:
    """A new name; nothing of it is left afterwards."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    yield name
    endpoint_changes.remove(target, name, Deadline.after(1800))


def wanted(endpoint: str, bundle: Bundle, artifact: str, *, target: Target) -> Release:
    """What a release of `bundle` asks for."""
    default = IMAGES.get(target.name, "")
    image = os.environ.get(f"TRIDOCK_{target.name.upper()}_IMAGE", default)
    return Release(
        endpoint,
        deployment_name(bundle.version, bundle.digest),
        artifact,
        image=image,
        instance=SIZES.get(target.name, ""),
        bundle=bundle.name,
        version=bundle.version,
        digest=bundle.digest,
    )


def is_resized(target: Target, release: Release, count: int) -> bool:
    """Tell whether a deployment runs on so many instances, which services show late."""
    return target.describe(release.endpoint).deployments[release.name].count == count
