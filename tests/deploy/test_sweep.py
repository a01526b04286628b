"""What serves nothing is deleted, what somebody may need stays, whoever comes in between."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.deploy.memory import MemoryTarget
from tests.deploy.staging import Hands, Told, name_of
from tridock.deploy.cleanup.sweep import Broom, Found, Swept, look, sweep
from tridock.deploy.rollout import experiment
from tridock.deploy.target.errors import NotFoundError, PermissionDeniedError, UnavailableError
from tridock.deploy.target.records import Orphan, Release
from tridock.deploy.waiting import lock
from tridock.deploy.waiting.lock import Claim, Terms
from tridock.deploy.waiting.owner import Owner
from tridock.deploy.waiting.retry import Policy, retrying
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle

ADA = Owner("ada@elsewhere", "", "elsewhere", "4711 99")
MODEL = Orphan("model", "iris--v1", "iris", reason="no endpoint runs it")
CONFIG = Orphan("configuration", "spam--77", "spam", reason="no endpoint uses it")


@dataclass
class Meddled(MemoryTarget):
    """Lets somebody do something just before a leftover is discarded."""

    meddle: Callable[[Orphan], None] = lambda orphan: None
    gone: list[Orphan] = field(default_factory=list)

    def discard(self, orphan: Orphan) -> None:
        self.meddle(orphan)
        super().discard(orphan)
        self.gone.append(orphan)


def claimed(target: MemoryTarget, endpoint: str, *, minutes: float = 1, who: Owner = ADA) -> None:
    """Let somebody hold an endpoint's lock."""
    now = datetime.now(UTC)
    claim = Claim(who, "release of iris 2", now, now + timedelta(minutes=minutes))
    target.notes.write(f"locks/{endpoint}.json", claim.body(), over=None)


def put(target: MemoryTarget, bundle: Bundle) -> str:
    """Let a bundle be deployed, and return the deployment's name."""
    release = Release("iris", name_of(bundle), target.upload(bundle), digest=bundle.digest)
    target.deploy(release)
    return release.name


def broom(target: MemoryTarget, told: Told | None = None) -> Broom:
    clock = Hands().clock()
    patient = retrying(target, Policy(clock=clock))
    return Broom(patient, (told or Told()).progress(), Deadline.after(60, clock))


def swept(target: MemoryTarget) -> Swept:
    return sweep(broom(target), look(target))


def names(orphans: list[Orphan]) -> list[str]:
    return [str(one) for one in orphans]


def test_what_serves_nothing_goes_and_what_is_deployed_stays(v1: Bundle, v2: Bundle) -> None:
    target = MemoryTarget(slow=0)
    put(target, v1)
    new = put(target, v2)
    target.set_traffic("iris", {new: 100})  # v1 at 0 %: the release to go back to
    before = target.describe("iris")
    target.spare, target.artifacts = [MODEL, CONFIG], {*target.artifacts, "f" * 64}
    found = look(target)
    assert found == Found((MODEL, CONFIG, Orphan("bundle", "f" * 64, reason="nobody uses it")))
    assert names(sweep(broom(target), found).deleted) == [str(one) for one in found.orphans]
    assert look(target) == Found(())
    assert target.artifacts == {v1.digest, v2.digest}
    assert target.describe("iris") == before
    assert target.notes.kept == {}


def test_nothing_is_deleted_by_a_look(v1: Bundle) -> None:
    target = MemoryTarget(spare=[MODEL], artifacts={v1.digest})
    look(target)
    assert "discard" not in target.calls
    assert (target.spare, target.artifacts) == ([MODEL], {v1.digest})


def test_what_belongs_to_a_locked_endpoint_is_kept_and_who_holds_it_is_said() -> None:
    target = MemoryTarget(spare=[MODEL, CONFIG])
    claimed(target, "iris")
    done = swept(target)
    assert done.deleted == [CONFIG]
    (kept,) = done.kept
    assert kept.orphan == MODEL
    because = "iris is being changed: release of iris 2 by ada@elsewhere, process 4711"
    assert kept.because == because
    assert target.spare == [MODEL]


def test_while_anything_is_changed_what_anybody_may_be_given_is_kept(v1: Bundle) -> None:
    target = MemoryTarget(artifacts={v1.digest})
    claimed(target, "new-one")
    done = swept(target)
    assert done.deleted == []
    assert done.kept[0].because.startswith("new-one is being changed: release of iris 2 by ada")
    assert target.artifacts == {v1.digest}


def test_a_release_that_begins_after_the_look_keeps_its_endpoints_things(v1: Bundle) -> None:
    target = MemoryTarget(spare=[MODEL], artifacts={v1.digest})
    found = look(target)
    claimed(target, "iris")
    done = sweep(broom(target), found)
    assert done.deleted == []
    assert [str(one.orphan) for one in done.kept] == [str(MODEL), f"bundle {v1.digest}"]
    assert all("iris is being changed" in one.because for one in done.kept)


def test_a_thing_that_is_used_again_by_then_is_kept(v1: Bundle) -> None:
    release = Release("iris", "v1", f"memory://{v1.digest}", digest=v1.digest)
    target = Meddled(artifacts={v1.digest})
    target.meddle = lambda orphan: target.deploy(release)
    done = swept(target)
    assert done.deleted == []
    assert done.kept[0].because == f"bundle {v1.digest} is used again"
    assert not done.failures


def test_the_lock_is_held_while_an_endpoints_things_are_deleted() -> None:
    target = Meddled(spare=[MODEL, CONFIG])
    held: list[str] = []
    target.meddle = lambda orphan: held.extend(
        name for name in ("iris", "spam") if lock.holder(target.notes, name)
    )
    swept(target)
    assert held == ["iris", "spam"]


def test_who_loses_the_lock_deletes_nothing_more() -> None:
    second, time = replace(MODEL, name="iris--v2"), datetime.now(UTC)

    def stand_still(orphan: Orphan) -> None:
        nonlocal time
        time += timedelta(seconds=100)

    target = Meddled(spare=[MODEL, second], meddle=stand_still)
    sweeping = replace(broom(target), terms=Terms(renewal=1e6, now=lambda: time))
    done = sweep(sweeping, look(target))
    assert done.deleted == [MODEL]
    assert [kept.orphan for kept in done.kept] == [second]
    assert "could not be renewed in time" in done.kept[0].because


def test_an_endpoint_without_deployments_goes_and_one_that_serves_stays(v1: Bundle) -> None:
    target = MemoryTarget(slow=0)
    put(target, v1)
    target.running["empty"], target.traffic["empty"] = {}, {}
    done = swept(target)
    assert names(done.deleted) == ["endpoint empty"]
    assert target.endpoints() == ["iris"]


def test_an_endpoint_that_failed_as_a_whole_goes(v1: Bundle) -> None:
    target = MemoryTarget(broken={"v1": "no memory"}, slow=0)
    target.deploy(Release("iris", "v1", "", digest=v1.digest))
    (one,) = look(target).orphans
    assert (one.kind, one.reason) == ("endpoint", "it failed, and nothing behind it is ready")
    swept(target)
    with pytest.raises(NotFoundError):
        target.describe("iris")


def test_an_endpoint_that_is_coming_up_stays(v1: Bundle) -> None:
    target = MemoryTarget(slow=1000)
    target.deploy(Release("iris", "v1", "", digest=v1.digest))
    assert look(target) == Found(())


def test_locks_whose_time_is_over_go_and_those_that_are_held_stay() -> None:
    target = MemoryTarget()
    claimed(target, "iris", minutes=-1)
    ended = [
        sys.executable,
        "-c",
        "from tridock.deploy.waiting.owner import Owner; print(Owner.here().process)",
    ]
    process = subprocess.run(ended, capture_output=True, text=True, check=True).stdout.strip()
    claimed(target, "spam", who=replace(Owner.here(), process=process))
    claimed(target, "loan")
    assert names(swept(target).deleted) == ["lock iris", "lock spam"]
    assert list(target.notes.kept) == ["locks/loan.json"]


def test_a_lock_that_nobody_can_read_stays_with_all_of_its_endpoint() -> None:
    target = MemoryTarget(spare=[MODEL])
    target.notes.write("locks/iris.json", b"hands off", over=None)
    done = swept(target)
    assert done.deleted == []
    assert [kept.because for kept in done.kept] == ["the lock of iris cannot be read"]
    assert list(target.notes.kept) == ["locks/iris.json"]


def test_experiments_end_whose_deployments_are_gone_and_others_stay(v1: Bundle, v2: Bundle) -> None:
    target = MemoryTarget(slow=0)
    old, new = put(target, v1), put(target, v2)
    experiment.begin(target.notes, "iris", new=new, old=old)
    experiment.begin(target.notes, "spam", new=new, old=old)
    target.notes.write("experiments/loan.json", json.dumps(["of", "another"]).encode(), over=None)
    target.notes.write("elsewhere/loan.json", b"{}", over=None)
    assert names(swept(target).deleted) == ["experiment spam"]
    kept = ["elsewhere/loan.json", "experiments/iris.json", "experiments/loan.json"]
    assert sorted(target.notes.kept) == kept


def test_one_endpoints_things_alone_are_swept_where_that_is_asked_for(v1: Bundle) -> None:
    target = MemoryTarget(spare=[MODEL, CONFIG], artifacts={v1.digest})
    found = look(target, only="spam")
    assert found.orphans == (CONFIG,)
    assert sweep(broom(target), found).deleted == [CONFIG]


def test_what_is_briefly_unavailable_is_tried_again() -> None:
    target = MemoryTarget(spare=[MODEL])
    found = look(target)
    target.faults = {len(target.calls) + 1: UnavailableError("slow down")}
    assert sweep(broom(target), found).deleted == [MODEL]


def test_what_may_not_be_deleted_is_kept_and_the_rest_goes() -> None:
    target = MemoryTarget(spare=[MODEL, CONFIG])
    found = look(target)
    target.faults = {len(target.calls) + 1: PermissionDeniedError("you may not")}
    told = Told()
    done = sweep(broom(target, told), found)
    assert done.deleted == [CONFIG]
    assert [(kept.orphan, kept.because) for kept in done.kept] == [(MODEL, "you may not")]
    assert [str(error) for error in done.failures] == ["you may not"]
    assert "FAILED delete model iris--v1" in str(told)


def test_a_sweep_that_is_cut_short_anywhere_is_finished_by_the_next(v1: Bundle) -> None:
    for calls in range(100):
        target = MemoryTarget(spare=[MODEL, CONFIG], artifacts={v1.digest})
        target.running["empty"], target.traffic["empty"] = {}, {}
        found = look(target)
        target.dead_after = len(target.calls) + calls
        try:
            sweep(broom(target), found)
        except KeyboardInterrupt:
            pass
        else:
            break
        target.dead_after = 0
        swept(target)
        assert look(target) == Found(())
        assert (target.spare, target.artifacts, target.running) == ([], set(), {})
        assert target.notes.kept == {}
    assert calls >= 5
