"""Each strategy told on the target in memory, with clients, bad releases and clouds that undo."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest

from tests.deploy.memory import MemoryNotes, MemoryTarget
from tests.deploy.staging import (
    ENDPOINT,
    GATES,
    Hands,
    Told,
    name_of,
    order_of,
    released,
    true_answers,
)
from tridock.deploy.config.load import Gates
from tridock.deploy.rollout import experiment
from tridock.deploy.rollout.judge import Judge
from tridock.deploy.rollout.plan import plan
from tridock.deploy.rollout.promote import promote, stop
from tridock.deploy.rollout.release import release
from tridock.deploy.rollout.request import ReleaseRequest, Rollout
from tridock.deploy.strategies import STRATEGIES, Step, Strategy
from tridock.deploy.target.errors import (
    ConfigError,
    DeadlineError,
    DeployError,
    GateError,
    RolledBackError,
)
from tridock.deploy.target.metrics import Answer
from tridock.deploy.target.notes import Note
from tridock.deploy.target.probes import probes
from tridock.deploy.target.records import Endpoint, Release
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.baseline import categorical
from tridock.inference.bundle.bundle import Bundle

#: Quick ones: the clock is a test's, and goes on when somebody sleeps.
QUICK = {
    "canary": Strategy("canary", bake=(30.0,)),
    "linear": Strategy("linear", bake=(30.0,)),
    "blue-green": Strategy("blue-green", keep_old=1.0),
    "shadow": Strategy("shadow", bake=(30.0,)),
    "ab": Strategy("ab", bake=(30.0,)),
}


@dataclass
class Clients:
    """Clients of a target in memory: some ask between any two looks at the endpoint."""

    target: MemoryTarget
    rate: int = 20
    answer: Callable[[int], Answer] = lambda number: Answer(str(number), ("setosa",), 10.0)
    asked: int = 0

    def ask(self) -> None:
        for _ in range(self.rate):
            self.asked += 1
            self._serve(self.asked)

    def _serve(self, number: int) -> None:
        split = self.target.traffic.get(ENDPOINT, {})
        for name, share in {**split, **self.target.copies.get(ENDPOINT, {})}.items():
            if number * 7 % 100 < share or share == 100:
                good = Answer(str(number), ("setosa",), 10.0)
                first = min(self.target.running[ENDPOINT], key=lambda one: one)
                answer = good if name == first else self.answer(number)
                self.target.seen.setdefault(name, []).append(answer)


@dataclass
class Cloud(MemoryTarget):
    """The target in memory with clients, which ask while somebody describes it."""

    clients: Clients | None = None
    undone: str = ""
    said: str = ""

    def describe(self, endpoint: str) -> Endpoint:
        found = super().describe(endpoint)
        if self.clients and found.settled:
            self.clients.ask()
        if self.undone and len(found.traffic) > 1:
            self.traffic[endpoint] = {min(found.traffic): 100}
            self.said = self.undone
        return replace(found, traffic=self.traffic[endpoint], reason=self.said)


@pytest.fixture
def cloud(v1: Bundle, v2: Bundle) -> Cloud:
    answers = true_answers(v1, v2)
    cloud = Cloud(answer=lambda name, body: answers[body])
    released(cloud, v1)
    cloud.clients = Clients(cloud)
    return cloud


def run(cloud: Cloud, bundle: Bundle, strategy: str, gates: Gates = GATES) -> tuple[Endpoint, str]:
    told = Told()
    order = order_of(bundle, strategy=QUICK[strategy], timeout=5000.0)
    order = replace(order, keep_previous=QUICK[strategy].keeps_previous)
    judge = Judge(cloud, probes(bundle, None), gates)
    return release(Rollout(cloud, judge, told.progress()), bundle, order), str(told)


@pytest.mark.parametrize(
    ("strategy", "new", "old"),
    [
        ("canary", 100, True),
        ("linear", 100, True),
        ("blue-green", 100, False),
        ("shadow", 0, True),
        ("ab", 50, True),
    ],
)
def test_a_good_release_ends_as_its_strategy_promises_and_again_in_the_same_state(
    strategy: str, new: int, old: bool, cloud: Cloud, v1: Bundle, v2: Bundle
) -> None:
    for _ in range(2):
        found, _ = run(cloud, v2, strategy)
        assert found.traffic.get(name_of(v2), 0) == new
        assert (name_of(v1) in found.deployments) == old
        assert not found.shadow


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["errors", "slow", "flipped"])
def test_a_bad_release_is_stopped_by_live_requests_alone(
    kind: str, strategy: str, cloud: Cloud, v1: Bundle, v2: Bundle
) -> None:
    bad = {
        "errors": lambda number: Answer(str(number), (), 10.0, 500 if number % 5 == 0 else 200),
        "slow": lambda number: Answer(str(number), ("setosa",), 50.0),
        "flipped": lambda number: Answer(str(number), ("virginica",), 10.0),
    }
    gates = replace(GATES, requests=0, minimum_requests=40, latency_p95=30.0, prediction_shift=0.7)
    assert cloud.clients
    cloud.clients.answer = bad[kind]
    before = cloud.describe(ENDPOINT)
    order = order_of(v2, strategy=QUICK[strategy], timeout=5000.0)
    judge = Judge(cloud, (), gates, categorical(["setosa"]))
    moved = "shadow_agreement" if strategy == "shadow" else "prediction_shift"
    gate = {"errors": "error_rate", "slow": "latency_p95", "flipped": moved}[kind]
    with pytest.raises(GateError, match=rf"at .*%: .*{gate} failed"):
        release(Rollout(cloud, judge, Told().progress()), v2, order)
    after = cloud.describe(ENDPOINT)
    assert after.traffic == before.traffic == {name_of(v1): 100}
    assert set(after.deployments) == {name_of(v1)}
    assert not after.shadow


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_release_that_is_cut_short_at_any_call_ends_as_the_clean_one(
    strategy: str, cloud: Cloud, v1: Bundle, v2: Bundle
) -> None:
    start = len(cloud.calls)
    clean, _ = run(cloud, v2, strategy)
    for nth in range(1, len(cloud.calls) - start, 7):
        fresh = Cloud(answer=cloud.answer)
        released(fresh, v1)
        fresh.dead_after = len(fresh.calls) + nth
        with suppress(KeyboardInterrupt):
            run(fresh, v2, strategy)
        fresh.dead_after = 0
        again, _ = run(fresh, v2, strategy)
        assert again.traffic == clean.traffic, f"call {nth}"
        assert set(again.deployments) == set(clean.deployments), f"call {nth}"
        assert not again.shadow, f"call {nth}"
        assert fresh.artifacts == cloud.artifacts, f"call {nth}"


def test_a_step_waits_for_enough_requests_and_says_so(cloud: Cloud, v2: Bundle) -> None:
    _, said = run(cloud, v2, "ab", replace(GATES, minimum_requests=100))
    assert "waits for: minimum_requests not measured: " in said
    assert "of 100 live requests" in said


def test_a_step_that_waits_in_vain_ends_the_release_with_what_it_waited_for(
    cloud: Cloud, v1: Bundle, v2: Bundle
) -> None:
    for clients, blind in ((None, False), (Clients(cloud), True)):
        cloud.clients, cloud.blind = clients, blind
        with pytest.raises(DeadlineError, match="waited in vain for: minimum_requests"):
            run(cloud, v2, "canary", replace(GATES, minimum_requests=100))
        assert cloud.describe(ENDPOINT).traffic == {name_of(v1): 100}


def test_a_first_release_waits_for_nobody(v1: Bundle) -> None:
    answers = true_answers(v1)
    cloud = Cloud(answer=lambda name, body: answers[body])
    found, _ = run(cloud, v1, "canary", replace(GATES, minimum_requests=100))
    assert found.traffic == {name_of(v1): 100}


def test_a_cloud_that_rolls_back_by_itself_is_told_with_its_reason(
    cloud: Cloud, v1: Bundle, v2: Bundle
) -> None:
    cloud.undone = "alarm high-latency went off"
    with pytest.raises(RolledBackError, match="alarm high-latency went off") as caught:
        run(cloud, v2, "canary")
    assert caught.value.exit_code == 4
    assert cloud.describe(ENDPOINT).traffic == {name_of(v1): 100}


def test_shadows_that_answer_otherwise_are_stopped_and_the_first_difference_is_told(
    cloud: Cloud, v1: Bundle, v2: Bundle
) -> None:
    assert cloud.clients
    cloud.clients.answer = lambda number: Answer(str(number), ("rose",), 10.0)
    with pytest.raises(GateError, match=r"shadow_agreement failed.*\['setosa'\] now, \['rose'\]"):
        run(cloud, v2, "shadow")
    assert cloud.describe(ENDPOINT).traffic == {name_of(v1): 100}


def test_an_experiment_is_remembered_and_ends_with_all_traffic(
    cloud: Cloud, v1: Bundle, v2: Bundle
) -> None:
    for strategy in ("ab", "shadow"):
        found, _ = run(cloud, v2, strategy)
        trial = experiment.find(cloud.notes, found)
        assert (trial.new, trial.old) == (name_of(v2), name_of(v1))
        found = promote(*_promotion(cloud, v2))
        assert found.traffic == {name_of(v2): 100}
        with pytest.raises(ConfigError, match="no experiment"):
            experiment.find(cloud.notes, found)
        change = Rollout(cloud, say=Told().progress())
        deadline = Deadline.after(60, Hands().clock())
        found = stop(change, ENDPOINT, name_of(v2), deadline)
        assert found.traffic == {name_of(v1): 100}
        assert set(found.deployments) == {name_of(v1)}


@dataclass
class Deadly(MemoryNotes):
    """Notes whose writer is killed: nothing is put back, and the note is not written."""

    cloud: Cloud | None = None

    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        assert self.cloud
        self.cloud.dead_after = 1
        raise KeyboardInterrupt


def test_an_experiment_that_was_killed_at_its_note_is_remembered_by_the_next_run(
    cloud: Cloud, v2: Bundle
) -> None:
    notes, cloud.notes = cloud.notes, Deadly(cloud=cloud)
    with suppress(KeyboardInterrupt):
        run(cloud, v2, "ab")
    cloud.notes, cloud.dead_after = notes, 0
    found, _ = run(cloud, v2, "ab")
    assert experiment.find(cloud.notes, found).new == name_of(v2)


def test_a_promotion_that_a_gate_refuses_leaves_the_experiment_as_it_was(
    cloud: Cloud, v1: Bundle, v2: Bundle
) -> None:
    found, _ = run(cloud, v2, "ab")
    honest = cloud.answer
    cloud.answer = lambda name, body: b"{}" if name == name_of(v2) else honest(name, body)
    with pytest.raises(GateError, match="at 100 %: agreement failed"):
        promote(*_promotion(cloud, v2))
    assert cloud.describe(ENDPOINT).traffic == found.traffic
    assert experiment.find(cloud.notes, found).new == name_of(v2)


def test_the_only_deployment_is_not_stopped(cloud: Cloud, v1: Bundle) -> None:
    stage = Rollout(cloud, say=Told().progress())
    with pytest.raises(DeployError, match="is alone"):
        stop(stage, ENDPOINT, name_of(v1), Deadline.after(60, Hands().clock()))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_plan_tells_what_each_strategy_then_does(strategy: str, cloud: Cloud, v2: Bundle) -> None:
    order = order_of(v2, strategy=QUICK[strategy])
    steps = plan(order, cloud.describe(ENDPOINT), None).steps
    _, said = run(cloud, v2, strategy)
    moved = [step.split(", watched")[0] for step in steps if step.startswith(("traffic", "copies"))]
    assert moved
    assert [step for step in moved if step not in said] == []


def _promotion(cloud: Cloud, bundle: Bundle) -> tuple[Rollout, ReleaseRequest]:
    judge = Judge(cloud, probes(bundle, None), GATES)
    wanted = Release(ENDPOINT, name_of(bundle), "")
    deadline = Deadline.after(60, Hands().clock())
    order = ReleaseRequest(wanted, (Step(100),), True, deadline)
    return Rollout(cloud, judge, Told().progress()), order


@pytest.mark.parametrize(("requests", "judged"), [(5, True), (0, False)])
def test_an_experiment_is_compared_by_what_came_after_the_judges_requests(
    cloud: Cloud, v2: Bundle, requests: int, judged: bool
) -> None:
    run(cloud, v2, "ab", replace(GATES, requests=requests))
    trial = experiment.find(cloud.notes, cloud.describe(ENDPOINT))
    assert bool(trial.judged) is judged
    assert trial.since.isoformat() == (trial.judged if judged else trial.began)
    assert trial.began <= trial.since.isoformat()
