"""A model server of the local target that ends by itself, and what the next commands do."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.deploy.staging import ENDPOINT, name_of, order_of, stage_of
from tridock.deploy.cli import report
from tridock.deploy.local import daemon
from tridock.deploy.local.target import LocalTarget
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.rollout.release import release
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.records import Deployment, Endpoint, Release, State
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle

REQUEST = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'


@pytest.fixture
def target(tmp_path: Path) -> Iterator[LocalTarget]:
    target = LocalTarget(tmp_path / "local")
    yield target
    endpoint_changes.remove(target, ENDPOINT, Deadline.after(120))


def servers(target: LocalTarget) -> list[int]:
    """Return the processes of the router's model servers."""
    router = json.loads((target.folder / "running.json").read_text())["pid"]
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            found += [int(path.parent.name)] if int(parent) == router and state != "Z" else []
    return found


def kill(target: LocalTarget) -> None:
    (server,) = servers(target)
    os.kill(server, signal.SIGKILL)


def released(target: LocalTarget, bundle: Bundle) -> Endpoint:
    """Release a bundle, waiting in real time."""
    order = replace(order_of(bundle), deadline=Deadline.after(240))
    return release(stage_of(target, bundle), bundle, order)


def deployment(target: LocalTarget, bundle: Bundle) -> Deployment:
    return target.describe(ENDPOINT).deployments[name_of(bundle)]


def until(done: Callable[[], bool]) -> None:
    wait.until(done, Deadline.after(240), goal="the test goes on")


def test_a_killed_model_server_is_started_again_and_status_tells_it(
    target: LocalTarget, v1: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    released(target, v1)
    kill(target)
    until(lambda: bool(deployment(target, v1).restarts))
    until(lambda: deployment(target, v1).state is State.READY)
    restarts = deployment(target, v1).restarts
    assert restarts
    assert (restarts.count, restarts.last_exit) == (1, "code -9 (SIGKILL)")
    assert json.loads(target.invoke(ENDPOINT, REQUEST)) == {"predictions": ["setosa"]}
    report.say_endpoints([target.describe(ENDPOINT)])
    assert "restarted 1 times, ended last with code -9 (SIGKILL)" in capsys.readouterr().out


def test_one_that_ends_again_and_again_shows_that_and_a_release_repairs_it(
    target: LocalTarget, v1: Bundle
) -> None:
    released(target, v1)
    model = target.folder / "bundles" / v1.digest / "model.joblib"
    model.rename(model.with_name("gone"))
    kill(target)

    def loops() -> bool:
        found = deployment(target, v1)
        return bool(found.restarts and found.restarts.count > 1 and found.restarts.next_try)

    until(loops)
    until(lambda: deployment(target, v1).state is State.FAILED)
    until(lambda: "missing" in deployment(target, v1).reason)
    model.with_name("gone").rename(model)
    found = released(target, v1)
    assert found.traffic == {name_of(v1): 100}
    assert found.deployments[name_of(v1)].state is State.READY
    assert json.loads(target.invoke(ENDPOINT, REQUEST)) == {"predictions": ["setosa"]}


def test_another_version_is_released_beside_one_that_ends_again_and_again(
    target: LocalTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    (target.folder / "bundles" / v1.digest / "model.joblib").unlink()
    kill(target)
    until(lambda: deployment(target, v1).state is State.FAILED)
    found = released(target, v2)
    assert found.traffic == {name_of(v2): 100}
    assert (target.folder / "bundles" / v2.digest).is_dir()


def test_a_first_deployment_that_never_came_up_has_failed_and_is_not_started_again(
    target: LocalTarget, v1: Bundle
) -> None:
    artifact = target.upload(v1)
    (target.folder / "bundles" / v1.digest / "model.joblib").unlink()
    target.deploy(Release(ENDPOINT, name_of(v1), artifact, digest=v1.digest))
    until(lambda: deployment(target, v1).state is State.FAILED)
    assert deployment(target, v1).restarts is None
    assert servers(target) == []


def test_the_router_ends_with_its_last_endpoint(target: LocalTarget, v1: Bundle) -> None:
    released(target, v1)
    endpoint_changes.remove(target, ENDPOINT, Deadline.after(120))
    with pytest.raises(NotFoundError):
        target.describe(ENDPOINT)
    until(lambda: daemon.find(target.folder) is None)


def test_a_bundle_that_another_release_has_uploaded_is_not_purged(
    target: LocalTarget, v1: Bundle, v2: Bundle
) -> None:
    from tests.contract.planting import lock, unlock

    released(target, v1)
    lock(target.notes, "other")
    target.upload(v2)
    target.purge(ENDPOINT)
    assert (target.folder / "bundles" / v2.digest).is_dir()
    unlock(target.notes, "other")
    target.purge(ENDPOINT)
    assert not (target.folder / "bundles" / v2.digest).exists()
    assert (target.folder / "bundles" / v1.digest).is_dir()
