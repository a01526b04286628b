"""The deployers' roles on Google Cloud and Azure hold what their calls need, and no more.

No emulator enforces these clouds' IAM. So a whole release, rollback and deletion is recorded on
its way to the emulated cloud, and a table turns each call into the permission it needs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.deploy import bundles
from tests.terraform.module import text
from tests.terraform.slow.calls import (
    AUTOSCALE,
    AZURE,
    GCP,
    METRICS,
    ML,
    Needs,
    Record,
    needed,
    recorded,
)
from tridock.deploy.cleanup.sweep import Broom, Found, look, sweep
from tridock.deploy.cli import session
from tridock.deploy.cli.session import Session
from tridock.deploy.config.load import load
from tridock.deploy.progress import Progress
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.rollout.release import release
from tridock.deploy.rollout.request import Rollout
from tridock.deploy.rollout.rollback import rollback
from tridock.deploy.target.errors import ConflictError
from tridock.deploy.target.model_registry import Approval
from tridock.deploy.target.protocol import Target
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle

AMBIENT = ("AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_")


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return [bundles.good(folder / number, number) for number in ("1", "2", "3")]


def test_google_s_deployer_has_the_permissions_of_its_calls(
    versions: Sequence[Bundle], tmp_path: Path
) -> None:
    found = set()
    for service in ("vertex-ai", "cloud-run"):
        flags = {"target": "gcp", "gcp.service": service}
        found |= _permissions(_told(flags, versions, tmp_path / service), GCP)
    assert found == set(re.findall(r'"((?:\w+\.){2}\w+)"', text("gcp", "deployer.tf")))


def test_azure_s_deployer_has_the_actions_of_its_calls(
    versions: Sequence[Bundle], tmp_path: Path
) -> None:
    found = _permissions(
        _told({"target": "azure", "azure.collect": "100"}, versions, tmp_path), AZURE
    )
    of = {"ml": ML, "autoscale": AUTOSCALE, "metrics": METRICS}
    granted = re.findall(
        rf'"\$\{{local\.({"|".join(of)})\}}/([\w/]+)"', text("azure", "deployer.tf")
    )
    assert found == {f"{of[kind]}/{action}" for kind, action in granted}


def _permissions(record: Record, table: Sequence[Needs]) -> set[str]:
    permissions, unknown = needed(record, table)
    assert unknown == []
    return permissions


def _told(flags: dict[str, str], versions: Sequence[Bundle], state: Path) -> Record:
    """Tell the story of two releases, a rollback and a deletion, and record its calls."""
    with _emulated(flags, state) as connected, recorded() as record:
        target = connected.target
        stage = Rollout(target)
        for bundle in versions:
            release(stage, bundle, connected.order(bundle))
        target.endpoints()
        target.invoke("iris", b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}')
        found = rollback(stage, "iris", Deadline.after(300))
        _end_scaling(target, next(iter(found.traffic)))
        target.logs("iris", next(iter(found.traffic)))
        target.metrics("iris", next(iter(found.traffic)), datetime.now(UTC) - timedelta(hours=1))
        _sweep(target, versions[0])
        endpoint_changes.remove(target, "iris", Deadline.after(300))
        _register(target, versions, state / "fetched")
        target.identity()
    return record


def _sweep(target: Target, bundle: Bundle) -> None:
    """Tell the story of a bundle that was uploaded, and of nobody's lock."""
    target.upload(bundle)
    sweep(Broom(target, Progress(), Deadline.after(300)), look(target))
    assert look(target) == Found(())


def _register(target: Target, versions: Sequence[Bundle], folder: Path) -> None:
    """Tell the story of a registered model."""
    models = target.models
    for bundle in versions[:2]:
        models.register(bundle)
        models.approve("iris", bundle.version, Approval.APPROVED, "Ann: good")
        models.alias("iris", "champion", bundle.version)
    assert "iris" in models.names()
    models.fetch(models.versions("iris")[0], folder)


def _end_scaling(target: Target, deployment: str) -> None:
    with suppress(ConflictError):  # where a deployment has its scaling for good
        target.scale("iris", deployment, None)


@contextmanager
def _emulated(flags: dict[str, str], state: Path) -> Iterator[Session]:
    emulator = [sys.executable, "-m", "tridock.emulators"]
    where = [flags["target"], "--state", str(state)]
    subprocess.run([*emulator, "up", *where, "--speed", "600"], check=True)
    try:
        with pytest.MonkeyPatch.context() as environment:
            for name in [name for name in os.environ if name.startswith(AMBIENT)]:
                environment.delenv(name)
            before = dict(os.environ)
            scaling = {"scaling.maximum": "2", "scaling.target": "60"}
            scaling["scaling.metric"] = "concurrency" if "cloud-run" in flags.values() else "cpu"
            told = {**flags, **scaling, "state": str(state), "endpoint": "iris"}
            read = load(None, told)
            yield session.connect(read, Progress(), live=False)
            os.environ.clear()
            os.environ.update(before)
    finally:
        subprocess.run([*emulator, "down", *where], check=True)
