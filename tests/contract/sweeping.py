"""What every target must say of what is left over; `tests.contract.test_target` runs it on each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.conftest import LIVE
from tests.contract.planting import lock, names, plant, unlock
from tests.deploy import bundles
from tridock.deploy.cleanup.sweep import Broom, Swept, look, sweep
from tridock.deploy.progress import Progress
from tridock.deploy.target.errors import ConflictError
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Release
from tridock.deploy.waiting.retry import Retrying
from tridock.deploy.waiting.wait import Deadline

REQUEST = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'


def test_what_nobody_runs_is_left_over_until_it_is_discarded_and_what_runs_is_not(
    target: Target, old: Release, tmp_path: Path
) -> None:
    before, standing = set(target.orphans()), target.describe(old.endpoint)
    target.upload(bundles.good(tmp_path / "spare", "9"))
    spare = [one for one in target.orphans() if one not in before]
    assert spare
    for one in spare:
        assert one.reason
        assert one.created is None or one.created.tzinfo
        running = old.artifact.removeprefix("azureml:") if ":" in one.name else old.digest
        with pytest.raises(ConflictError):
            target.discard(replace(one, name=running))
        for _ in range(2):
            target.discard(one)
    assert set(target.orphans()) == before
    assert target.describe(old.endpoint) == standing
    assert json.loads(target.invoke(old.endpoint, REQUEST)) == {"predictions": ["setosa"]}


def test_of_a_planted_account_what_is_ours_goes_and_nothing_else(
    target: Target, old: Release
) -> None:
    if LIVE or not isinstance(target, Retrying):
        pytest.skip("nothing is planted in a real account, and there is none in memory")
    planted, standing = plant(target.port), target.describe(old.endpoint)
    theirs, everything = planted.theirs(), planted.ours | planted.busy
    lock(target.notes, "planted-busy")
    first = _swept(target)
    assert set(names(first.deleted)) <= planted.ours
    assert {*names(first.deleted), *names(one.orphan for one in first.kept)} == everything
    assert {one.because[:32] for one in first.kept} == {"planted-busy is being changed: r"}
    unlock(target.notes, "planted-busy")
    second = _swept(target)
    assert second.kept == []
    assert {*names(first.deleted), *names(second.deleted)} == everything
    assert list(names(look(target).orphans)) == []
    assert theirs
    assert planted.theirs() == theirs
    assert target.describe(old.endpoint) == standing


def test_what_another_service_runs_of_the_same_bucket_is_not_left_over(
    target: Target, old: Release
) -> None:
    from tridock.deploy.gcp.cloud_run import CloudRunTarget
    from tridock.deploy.gcp.target import VertexTarget

    own = target.port if isinstance(target, Retrying) else None
    if not isinstance(own, CloudRunTarget | VertexTarget):
        pytest.skip("its services share code, or it has one")
    other = CloudRunTarget if isinstance(own, VertexTarget) else VertexTarget
    for service in (own, other(own.account, own.store, own.image)):
        found = service.orphans()
        assert [one for one in found if old.digest in one.name or old.name in one.name] == []


def _swept(target: Target) -> Swept:
    return sweep(Broom(target, Progress(), Deadline.after(600)), look(target))
