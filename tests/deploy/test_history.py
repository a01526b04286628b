"""What served before is recorded; a rollback goes by it, once, and however it was cut short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial

import pytest

from tests.deploy.memory import MemoryTarget
from tests.deploy.mortal import MortalTarget
from tests.deploy.staging import (
    ENDPOINT,
    Hands,
    Told,
    name_of,
    order_of,
    released,
    stage_of,
    true_answers,
)
from tridock.deploy.cleanup.sweep import Broom, look, sweep
from tridock.deploy.rollout import endpoint_changes, experiment, journal, manual_traffic
from tridock.deploy.rollout.journal import Entry, Outcome
from tridock.deploy.rollout.manual_traffic import TrafficSplit
from tridock.deploy.rollout.promote import promote, stop
from tridock.deploy.rollout.release import release
from tridock.deploy.rollout.request import ReleaseRequest, Rollout
from tridock.deploy.rollout.rollback import rollback
from tridock.deploy.strategies import Step, Strategy
from tridock.deploy.target.errors import (
    ConfigError,
    DeployError,
    GateError,
    NotFoundError,
    TargetError,
)
from tridock.deploy.target.records import Endpoint
from tridock.deploy.waiting.retry import retrying
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle

AB = Strategy("ab", split=50)


@pytest.fixture
def target(v1: Bundle, v2: Bundle, v3: Bundle) -> MortalTarget:
    answers = true_answers(v1, v2, v3)
    return MortalTarget(answer=lambda name, body: answers[body])


@dataclass(frozen=True)
class Trial:
    """A copy of a target on which a command dies after so many calls."""

    target: MortalTarget
    calls: int


def trials(target: MortalTarget, first: int = 0) -> Iterator[Trial]:
    return (Trial(deepcopy(target), calls) for calls in range(first, 1000))


def deadline() -> Deadline:
    return Deadline.after(60, Hands().clock())


def rolled_back(target: MemoryTarget, told: Told | None = None, *, to: str = "") -> Endpoint:
    stage = Rollout(target, say=(told or Told()).progress())
    return rollback(stage, ENDPOINT, deadline(), to=to, why="it was slow")


def begun(target: MemoryTarget, bundle: Bundle, *, strategy: Strategy) -> Endpoint:
    return release(stage_of(target, bundle), bundle, order_of(bundle, strategy=strategy))


def promoted(target: MemoryTarget, bundle: Bundle) -> Endpoint:
    order: ReleaseRequest = replace(order_of(bundle), steps=(Step(100),))
    return promote(stage_of(target, bundle), order)


def split(target: MemoryTarget, division: TrafficSplit) -> None:
    manual_traffic.split(Rollout(target, say=Told().progress()), ENDPOINT, division, deadline())


def entries(target: MemoryTarget) -> list[tuple[str, str, str]]:
    return [
        (one.verb, one.deployment, one.outcome.value)
        for one in journal.read(target.notes, ENDPOINT)
    ]


def test_each_move_is_recorded_with_who_from_to_why_and_its_end(
    target: MortalTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    rolled_back(target)
    first, second, third = journal.read(target.notes, ENDPOINT)
    one, two = name_of(v1), name_of(v2)
    assert (first.verb, first.before, first.after) == ("release", {}, {one: 100})
    assert (second.verb, second.before, second.after) == ("release", {one: 100}, {two: 100})
    assert (third.verb, third.before, third.after) == ("rollback", {two: 100}, {one: 100})
    assert third.why == "it was slow"
    assert third.who.startswith("ada of the memory")
    assert first.began < first.ended < second.began < second.ended < third.began < third.ended
    assert {each.outcome for each in (first, second, third)} == {Outcome.DONE}


def test_the_entry_is_written_before_traffic_moves(
    target: MortalTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    target.unwilling = {name_of(v1): 100}
    with pytest.raises(TargetError):
        rolled_back(target)
    assert entries(target)[-1] == ("rollback", name_of(v1), "failed")
    assert "on fire" in journal.read(target.notes, ENDPOINT)[-1].failure
    target.unwilling = {}
    assert rolled_back(target).traffic == {name_of(v1): 100}
    assert entries(target)[-1] == ("rollback", name_of(v1), "done")
    assert len(entries(target)) == 3


def three(target: MortalTarget, *bundles: Bundle) -> None:
    """Let three deployments stand, the last of which serves: experiments take nothing away."""
    released(target, bundles[0])
    for bundle in bundles[1:]:
        begun(target, bundle, strategy=AB)
        split(target, TrafficSplit({name_of(bundle): 100}, end_experiment=True))
    assert len(target.describe(ENDPOINT).deployments) == 3


def test_a_second_rollback_does_not_go_one_too_far(
    target: MortalTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    three(target, v1, v2, v3)
    assert rolled_back(target).traffic == {name_of(v2): 100}
    for _ in range(2):
        told = Told()
        assert rolled_back(target, told).traffic == {name_of(v2): 100}
        assert f"already rolled back to {name_of(v2)}" in str(told)
        assert "nothing to do" in str(told)
    assert entries(target).count(("rollback", name_of(v2), "done")) == 1


def test_another_deployment_is_gone_back_to_by_its_name(
    target: MortalTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    three(target, v1, v2, v3)
    rolled_back(target)
    assert rolled_back(target, to=name_of(v1)).traffic == {name_of(v1): 100}
    with pytest.raises(DeployError, match=r"v9 is no deployment of it any more.*--to NAME"):
        rolled_back(target, to="v9")


def test_a_rollback_that_was_killed_at_any_call_is_finished_and_then_does_nothing(
    target: MortalTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    three(target, v1, v2, v3)
    for trial in trials(target):
        was_killed = trial.target.dies(partial(rolled_back, trial.target), after=trial.calls)
        for _ in range(2):
            assert rolled_back(trial.target).traffic == {name_of(v2): 100}, trial.calls
        assert entries(trial.target)[-1] == ("rollback", name_of(v2), "done"), trial.calls
        assert len([one for one in entries(trial.target) if one[0] == "rollback"]) == 1
        if not was_killed:
            break
    assert trial.calls > 5


def test_an_older_version_that_is_released_again_leaves_a_way_back(
    target: MortalTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    for _ in range(2):  # the second time there is nothing to do, and nothing is taken away
        found = released(target, v1)
        assert found.traffic == {name_of(v1): 100}
        assert set(found.deployments) == {name_of(v1), name_of(v2)}
    assert rolled_back(target).traffic == {name_of(v2): 100}


def test_a_release_that_was_killed_at_any_call_is_taken_back_to_what_served(
    target: MortalTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    for trial in trials(target):
        if not trial.target.dies(partial(released, trial.target, v2), after=trial.calls):
            break
        trial.target.pending.clear()
        if trial.calls > 10:
            rolled_back(trial.target)
        else:  # perhaps nothing was begun
            with suppress(DeployError):
                rolled_back(trial.target)
        assert trial.target.traffic == {ENDPOINT: {name_of(v1): 100}}, trial.calls
    assert trial.calls > 20


def test_a_release_that_was_killed_and_done_again_knows_what_served_before_it(
    target: MortalTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    for trial in trials(target):
        if not trial.target.dies(partial(released, trial.target, v1), after=trial.calls):
            break
        assert released(trial.target, v1).traffic == {name_of(v1): 100}, trial.calls
        assert rolled_back(trial.target).traffic == {name_of(v2): 100}, trial.calls
    assert trial.calls > 20


def test_a_release_that_was_put_back_is_not_what_a_rollback_takes_back(
    target: MortalTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    right = target.answer
    target.answer = lambda who, body: b"{}" if who == name_of(v3) else right(who, body)
    with pytest.raises(GateError):
        released(target, v3)
    assert entries(target)[-1] == ("release", name_of(v3), "put back")
    assert rolled_back(target).traffic == {name_of(v1): 100}


def test_traffic_that_was_split_by_hand_is_recorded_and_taken_back(
    target: MortalTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    split(target, TrafficSplit({name_of(v1): 60, name_of(v2): 40}, "a look"))
    assert journal.read(target.notes, ENDPOINT)[-1].why == "a look"
    assert rolled_back(target).traffic == {name_of(v2): 100}
    with pytest.raises(NotFoundError, match="ghost"):
        split(target, TrafficSplit({"ghost": 100}))
    assert entries(target)[-1][0] == "rollback"


def test_a_history_keeps_its_newest_entries_and_a_foreign_one_is_begun_anew(
    target: MortalTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    for number in range(journal.MOST + 5):
        split(target, TrafficSplit({name_of(v1): 50, name_of(v2): 50}, f"look {number}"))
    kept = journal.read(target.notes, ENDPOINT)
    assert len(kept) == journal.MOST
    assert kept[-1].why == f"look {journal.MOST + 4}"
    key = f"history/{ENDPOINT}.json"
    target.notes.write(key, b'{"version": 9}', over=target.notes.read(key))
    assert journal.read(target.notes, ENDPOINT) == ()
    split(target, TrafficSplit({name_of(v1): 100}))
    assert len(entries(target)) == 1


def test_a_history_ends_with_its_endpoint_and_what_is_left_of_it_is_swept(
    target: MortalTarget, v1: Bundle
) -> None:
    released(target, v1)
    endpoint_changes.remove(target, ENDPOINT, deadline())
    assert not target.notes.keys()
    journal.begin(target.notes, ENDPOINT, Entry("release", name_of(v1), {}, {name_of(v1): 100}))
    found = look(target)
    assert [(one.kind, one.reason) for one in found.orphans] == [
        ("history", "its endpoint is gone")
    ]
    sweep(Broom(retrying(target), Told().progress(), deadline()), found)
    assert not target.notes.keys()


def test_a_history_of_an_endpoint_that_stands_is_not_swept(
    target: MortalTarget, v1: Bundle
) -> None:
    released(target, v1)
    assert not look(target).orphans


def ends(target: MortalTarget, old: Bundle, new: Bundle) -> dict[str, Callable[[], object]]:
    """Return the commands that end an experiment, each with what it says is done."""
    stage = Rollout(target, say=Told().progress())
    return {
        "promote": lambda: promoted(target, new),
        "stop": lambda: stop(stage, ENDPOINT, name_of(new), deadline()),
        "rollback": lambda: rolled_back(target),
        "delete": lambda: endpoint_changes.remove(target, ENDPOINT, deadline()),
        "release": lambda: release(
            stage_of(target, old), old, replace(order_of(old), end_experiment=True)
        ),
    }


@pytest.mark.parametrize("verb", ["promote", "stop", "rollback", "delete", "release"])
def test_a_command_that_was_killed_at_any_call_is_done_by_the_same_command(
    verb: str, target: MortalTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    begun(target, v2, strategy=AB)
    clean = None
    for trial in trials(target, first=-1):
        command = ends(trial.target, v1, v2)[verb]
        was_killed = trial.target.dies(command, after=trial.calls)
        if was_killed:
            trial.target.pending.clear()
            command()
        of = trial.target
        stands = of.traffic, of.running, of.artifacts, of.notes.keys(), entries(of)[-1:]
        clean = clean or stands
        assert stands == clean, trial.calls
        assert not experiment.running(of, ENDPOINT)
        if trial.calls >= 0 and not was_killed:
            break
    assert trial.calls > 3


SPOILING: dict[str, Callable[[MemoryTarget, Bundle, Bundle, Bundle], object]] = {
    "the champion again": lambda target, v1, v2, v3: released(target, v1),
    "a third": lambda target, v1, v2, v3: released(target, v3),
    "another experiment": lambda target, v1, v2, v3: begun(target, v3, strategy=AB),
    "the challenger by steps": lambda target, v1, v2, v3: released(target, v2),
    "traffic": lambda target, v1, v2, v3: split(target, TrafficSplit({name_of(v1): 100})),
    "traffic to the challenger": lambda target, v1, v2, v3: split(
        target, TrafficSplit({name_of(v2): 100})
    ),
}


@pytest.mark.parametrize("strategy", ["ab", "shadow"])
@pytest.mark.parametrize("what", SPOILING)
def test_what_would_spoil_an_experiment_is_refused_and_the_ways_out_are_named(
    what: str, strategy: str, target: MortalTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    if (what, strategy) == ("traffic", "shadow"):
        pytest.skip("the champion of a shadow release has all traffic")
    released(target, v1)
    begun(target, v2, strategy=Strategy(strategy))
    before = target.describe(ENDPOINT), target.notes.kept.copy(), target.artifacts.copy()
    target.pending.clear()
    with pytest.raises(ConfigError) as refused:
        SPOILING[what](target, v1, v2, v3)
    assert refused.value.exit_code == 2
    for way in ("`promote`", "`stop`", "--end-experiment", name_of(v1), name_of(v2)):
        assert way in str(refused.value)
    target.pending.clear()
    assert (target.describe(ENDPOINT), target.notes.kept, target.artifacts) == before


def test_an_experiment_goes_on_by_the_same_release_and_by_other_shares(
    target: MortalTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    begun(target, v2, strategy=AB)
    begun(target, v2, strategy=AB)
    split(target, TrafficSplit({name_of(v1): 90, name_of(v2): 10}))
    assert experiment.running(target, ENDPOINT)
    assert not look(target).orphans


@pytest.mark.parametrize("strategy", ["ab", "shadow"])
def test_a_rollback_in_an_experiment_ends_it_and_lets_the_old_one_serve(
    strategy: str, target: MortalTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    begun(target, v3, strategy=Strategy(strategy))
    told = Told()
    for _ in range(2):
        assert rolled_back(target, told).traffic == {name_of(v2): 100}
        assert not experiment.running(target, ENDPOINT)
    assert f"this ends the experiment of {name_of(v3)} against {name_of(v2)}" in str(told)


def test_a_release_that_is_to_end_an_experiment_does(
    target: MortalTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    released(target, v1)
    begun(target, v2, strategy=AB)
    order = replace(order_of(v3), end_experiment=True)
    found = release(stage_of(target, v3), v3, order)
    assert found.traffic == {name_of(v3): 100}
    assert set(found.deployments) == {name_of(v1), name_of(v3)}
    begun(target, v2, strategy=Strategy("shadow"))
    found = release(stage_of(target, v2), v2, replace(order_of(v2), end_experiment=True))
    assert found.traffic == {name_of(v2): 100}
    assert not experiment.running(target, ENDPOINT)
