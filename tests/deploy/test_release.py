from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest

from tests.deploy.memory import MemoryTarget
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
from tridock.deploy.rollout.release import release
from tridock.deploy.target.errors import (
    ConflictError,
    DeadlineError,
    DeployError,
    DeploymentError,
    GateError,
    NotFoundError,
    TargetError,
    UnavailableError,
)
from tridock.deploy.target.records import Endpoint, Release, State
from tridock.deploy.waiting.retry import Policy, retrying
from tridock.inference.bundle.bundle import Bundle


@pytest.fixture
def target(v1: Bundle, v2: Bundle, v3: Bundle) -> MemoryTarget:
    """An honest cloud: every deployment answers what its bundle promised."""
    answers = true_answers(v1, v2, v3)
    return MemoryTarget(answer=lambda name, body: answers[body])


def lies_of(name: str, target: MemoryTarget) -> Callable[[str, bytes], bytes]:
    honest = target.answer
    return lambda who, body: b'{"predictions": ["rose"]}' if who == name else honest(who, body)


def order_with_artifact(bundle: Bundle) -> Release:
    """What a release of `bundle` that was cut short had deployed."""
    return replace(order_of(bundle).wanted, artifact=f"memory://{bundle.digest}")


def test_the_first_release_makes_the_endpoint_and_is_judged(
    target: MemoryTarget, v1: Bundle
) -> None:
    told = Told()
    found = released(target, v1, told=told)
    assert found.traffic == {name_of(v1): 100}
    assert "judge v1" in str(told)
    assert target.calls.count("invoke") == 5


def test_traffic_moves_in_steps_and_is_judged_at_each(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    told = Told()
    found = released(target, v2, told=told)
    old, new = name_of(v1), name_of(v2)
    assert found.traffic == {new: 100}
    said = str(told)
    for split, percent in ((f"{old} 90 %, {new} 10 %", 10), (f"{new} 50 %", 50), ("", 100)):
        assert split in said
        assert f"judge {new} at {percent} %" in said


def test_the_one_before_is_kept_and_older_ones_go(
    target: MemoryTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    for bundle in (v1, v2, v3):
        found = released(target, bundle)
    assert set(found.deployments) == {name_of(v2), name_of(v3)}
    assert target.artifacts == {v2.digest, v3.digest}


def test_the_one_before_goes_if_it_is_not_to_be_kept(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    found = released(target, v2, keep_previous=False)
    assert set(found.deployments) == {name_of(v2)}


def test_a_step_looks_at_the_endpoint_once_before_its_change_and_once_after(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    target.slow = 0  # a change is done at once: no look is a wait
    released(target, v1)
    target.calls.clear()
    released(target, v2)
    step = ["describe", "set_traffic", "describe", "metrics"]
    assert [call for call in target.calls if call != "invoke"] == [
        *("upload", "describe", "upload", "deploy", "describe"),  # found; ready
        *step * 3,
        *("describe", "purge", "describe"),  # what may be retired; the result
    ]


def test_the_same_release_again_does_nothing_and_says_so(target: MemoryTarget, v1: Bundle) -> None:
    released(target, v1)
    target.calls.clear()
    running = {name: dict(behind) for name, behind in target.running.items()}
    told = Told()
    released(target, v1, told=told)
    assert f"{name_of(v1)} serves all traffic of {ENDPOINT} already" in str(told)
    assert not {"set_traffic", "invoke", "undeploy"} & set(target.calls)
    assert target.running == running


def test_a_gate_that_says_no_leaves_all_as_it_was(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    target.answer = lies_of(name_of(v2), target)
    with pytest.raises(GateError, match=r"at 10 %: agreement failed: 0 % in 5 requests") as caught:
        released(target, v2)
    assert "was answered" in str(caught.value)
    found = target.describe(ENDPOINT)
    assert found.traffic == {name_of(v1): 100}
    assert set(found.deployments) == {name_of(v1)}
    assert target.artifacts == {v1.digest}


def test_a_first_release_that_a_gate_refuses_leaves_no_endpoint(
    target: MemoryTarget, v1: Bundle
) -> None:
    target.answer = lies_of(name_of(v1), target)
    with pytest.raises(GateError):
        released(target, v1)
    with pytest.raises(NotFoundError):
        target.describe(ENDPOINT)
    assert target.artifacts == set()


def test_a_deployment_that_does_not_come_up_is_taken_away_with_its_last_words(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    target.broken = {name_of(v2): "it exploded"}
    with pytest.raises(DeploymentError, match=r"(?s)it exploded.*wrote this"):
        released(target, v2)
    assert set(target.describe(ENDPOINT).deployments) == {name_of(v1)}


def test_what_is_not_ready_in_time_is_taken_away(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    target.slow = 18
    with pytest.raises(DeadlineError):
        release(stage_of(target, v2), v2, order_of(v2, timeout=10.0))
    target.slow = 1
    assert released(target, v2).traffic == {name_of(v2): 100}


def test_an_endpoint_that_never_came_up_is_cleared_first(target: MemoryTarget, v1: Bundle) -> None:
    target.broken = {name_of(v1): "it exploded"}
    target.deploy(order_with_artifact(v1))
    target.pending.clear()
    target.broken = {}
    assert released(target, v1).traffic == {name_of(v1): 100}


def test_an_interrupted_canary_goes_on_where_it_stood(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    target.deploy(order_with_artifact(v2))
    target.pending.clear()
    target.traffic[ENDPOINT] = {name_of(v1): 50, name_of(v2): 50}
    told = Told()
    assert released(target, v2, told=told).traffic == {name_of(v2): 100}
    assert f"{name_of(v2)} 10 %" not in str(told)


def test_a_rejected_canary_that_was_interrupted_before_ends_at_the_old_one(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    target.deploy(order_with_artifact(v2))
    target.pending.clear()
    target.traffic[ENDPOINT] = {name_of(v1): 90, name_of(v2): 10}
    target.answer = lies_of(name_of(v2), target)
    with pytest.raises(GateError):
        released(target, v2)
    found = target.describe(ENDPOINT)
    assert found.traffic == {name_of(v1): 100}
    assert set(found.deployments) == {name_of(v1)}


def test_a_former_release_is_not_removed_when_its_return_is_refused(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    target.answer = lies_of(name_of(v1), target)
    with pytest.raises(GateError):
        released(target, v1)
    found = target.describe(ENDPOINT)
    assert found.traffic == {name_of(v2): 100}
    assert set(found.deployments) == {name_of(v1), name_of(v2)}


def test_a_brief_outage_is_waited_out(target: MemoryTarget, v1: Bundle, v2: Bundle) -> None:
    released(target, v1)
    start = len(target.calls)
    target.faults = {start + nth: UnavailableError("busy") for nth in (1, 4, 5, 9, 12)}
    patient = retrying(target, Policy(clock=Hands().clock()))
    assert released(patient, v2).traffic == {name_of(v2): 100}


def test_what_cannot_be_put_back_is_noted_on_the_failure(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    target.answer = lies_of(name_of(v2), target)
    target.unwilling = {name_of(v1): 100}
    with pytest.raises(GateError) as caught:
        released(target, v2)
    assert "the cloud is on fire" in caught.value.__notes__[0]


@pytest.mark.parametrize("kind", [TargetError("refused"), KeyboardInterrupt()])
def test_a_failure_at_any_call_leaves_one_release_serving_and_the_next_run_ends_it(
    kind: BaseException, target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    start = len(target.calls)
    released(target, v2)
    clean = target.describe(ENDPOINT)
    calls = len(target.calls) - start
    for nth in range(1, calls):
        fresh = MemoryTarget(answer=target.answer)
        released(fresh, v1)
        fresh.faults = {len(fresh.calls) + nth: kind}
        with suppress(DeployError, KeyboardInterrupt):
            released(fresh, v2)
        found = fresh.describe(ENDPOINT)
        assert found.traffic in ({name_of(v1): 100}, {name_of(v2): 100}), f"call {nth}"
        again = released(fresh, v2)
        assert again.traffic == clean.traffic, f"call {nth}"
        assert set(again.deployments) == set(clean.deployments), f"call {nth}"
        assert fresh.artifacts == {v1.digest, v2.digest}, f"call {nth}"


@dataclass
class Forgetful(MemoryTarget):
    """Shows nothing of an endpoint at first, as a cloud does that is not consistent yet."""

    forgets: int = 0

    def describe(self, endpoint: str) -> Endpoint:
        if self.forgets:
            self.forgets -= 1
            raise NotFoundError("no such endpoint")
        return super().describe(endpoint)


def test_an_endpoint_that_was_not_shown_keeps_its_traffic_and_is_not_deleted(
    v1: Bundle, v2: Bundle
) -> None:
    answers = true_answers(v1, v2)
    target = Forgetful(answer=lambda name, body: answers[body])
    released(target, v1)
    target.forgets = 1
    with pytest.raises(ConflictError, match=f"{name_of(v1)} after all") as failed:
        released(target, v2)
    assert "it is left as it is" in "".join(failed.value.__notes__)
    assert target.traffic[ENDPOINT] == {name_of(v1): 100}
    assert released(target, v2).traffic == {name_of(v2): 100}


def test_a_deployer_killed_at_any_call_is_finished_by_the_next_run(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    for nth in range(1, 40):
        fresh = MemoryTarget(answer=target.answer)
        released(fresh, v1)
        fresh.dead_after = len(fresh.calls) + nth
        with suppress(KeyboardInterrupt):
            released(fresh, v2)
        fresh.dead_after = 0
        again = released(fresh, v2)
        assert again.traffic == {name_of(v2): 100}, f"call {nth}"
        assert set(again.deployments) == {name_of(v1), name_of(v2)}, f"call {nth}"
        assert fresh.artifacts == {v1.digest, v2.digest}, f"call {nth}"


def test_a_live_deployment_that_failed_is_repaired_in_its_place(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    for bundle in (v1, v2):
        released(target, bundle)
    target.crashed[name_of(v2)] = "its server was killed"
    target.calls.clear()
    found = released(target, v2)
    assert found.traffic == {name_of(v2): 100}
    assert found.deployments[name_of(v2)].state is State.READY
    assert target.artifacts == {v1.digest, v2.digest}
    assert not {"delete", "undeploy", "set_traffic"} & set(target.calls)


def test_a_live_deployment_that_cannot_be_repaired_is_left_with_its_endpoint_and_bundle(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    for bundle in (v1, v2):
        released(target, bundle)
    target.broken = {name_of(v2): "its server ends again and again"}
    with pytest.raises(DeploymentError, match="ends again and again") as caught:
        released(target, v2)
    assert "is left as it was" in caught.value.__notes__[0]
    found = target.describe(ENDPOINT)
    assert found.traffic == {name_of(v2): 100}
    assert set(found.deployments) == {name_of(v1), name_of(v2)}
    assert target.artifacts == {v1.digest, v2.digest}


def test_another_version_takes_over_at_once_from_a_live_deployment_that_failed(
    target: MemoryTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    for bundle in (v1, v2):
        released(target, bundle)
    target.crashed[name_of(v2)] = "its server was killed"
    told = Told()
    found = released(target, v3, told=told)
    assert found.traffic == {name_of(v3): 100}
    assert f"traffic: {name_of(v3)} 100 %" in str(told)
    assert "10 %" not in str(told)


def test_an_endpoint_that_failed_as_a_whole_is_made_again_with_its_bundle(
    target: MemoryTarget, v1: Bundle
) -> None:
    released(target, v1)
    target.crashed[name_of(v1)] = "its server was killed"
    assert target.describe(ENDPOINT).state is State.FAILED
    released(target, v1)  # only deleting it helps, as on SageMaker
    assert target.artifacts == {v1.digest}
