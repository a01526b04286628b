from __future__ import annotations

from dataclasses import replace

import pytest

from tests.deploy.memory import MemoryTarget
from tests.deploy.staging import ENDPOINT, name_of, order_of, released, stage_of, true_answers
from tridock.deploy.rollout.plan import hourly, plan
from tridock.deploy.rollout.release import release
from tridock.deploy.target.plugins import Prices
from tridock.deploy.target.records import Deployment, Scaling, State, deployment_name
from tridock.inference.bundle.bundle import Bundle

PRICES = Prices({"small": 0.1, "large": 1.0}, "a price list")


@pytest.fixture
def target(v1: Bundle, v2: Bundle, v3: Bundle) -> MemoryTarget:
    answers = true_answers(v1, v2, v3)
    return MemoryTarget(answer=lambda name, body: answers[body])


def test_a_first_release_makes_an_endpoint(v1: Bundle) -> None:
    assert plan(order_of(v1), None, None).steps == (
        f"create endpoint {ENDPOINT}",
        f"deploy {name_of(v1)}",
        f"traffic: {name_of(v1)} 100 %",
    )


def test_a_plan_tells_what_the_release_then_does(
    target: MemoryTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    steps = plan(order_of(v3), target.describe(ENDPOINT), None).steps
    assert steps[0] == f"deploy {name_of(v3)}"
    assert steps[-1] == f"undeploy {name_of(v1)}"
    assert len(steps) == 5
    found = released(target, v3)
    assert set(found.deployments) == {name_of(v2), name_of(v3)}


def test_what_is_released_needs_nothing(target: MemoryTarget, v1: Bundle, v2: Bundle) -> None:
    released(target, v1)
    released(target, v2)
    assert plan(order_of(v2), target.describe(ENDPOINT), None).steps == ()


def test_cost_counts_both_while_traffic_moves(target: MemoryTarget, v1: Bundle) -> None:
    order = order_of(v1)
    order = replace(order, wanted=replace(order.wanted, instance="large", count=2))
    found = plan(order, None, PRICES)
    assert (found.now, found.during, found.after) == (0.0, 2.0, 2.0)
    assert found.source == "a price list"


def test_scaling_is_planned_once_and_its_most_is_counted(target: MemoryTarget, v1: Bundle) -> None:
    order = order_of(v1)
    scaling = Scaling(1, 4, "requests", 600)
    order = replace(order, wanted=replace(order.wanted, instance="large", scaling=scaling))
    found = plan(order, None, PRICES)
    assert f"scale {name_of(v1)}: 1-4 by requests 600" in found.steps
    assert (found.after, found.most) == (1.0, 4.0)
    release(stage_of(target, v1), v1, order)
    assert plan(order, target.describe(ENDPOINT), PRICES).steps == ()
    plain = replace(order, wanted=replace(order.wanted, scaling=None))
    ended = plan(plain, target.describe(ENDPOINT), PRICES).steps
    assert ended == (f"scale {name_of(v1)}: no more 1-4 by requests 600",)
    assert release(stage_of(target, v1), v1, plain).deployments[name_of(v1)].scaling is None


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    known = Deployment("a", State.READY, instance="small", count=3)
    assert hourly([known], PRICES) == pytest.approx(0.3)
    assert hourly([known, replace(known, instance="huge")], PRICES) is None
    assert hourly([known], None) == 0.0


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("1", "v1-abcdef01"),
        ("1.2.0+Build_7", "v1-2-0-build-7-abcdef01"),
        ("-._", "v-abcdef01"),
        ("x" * 32, "v" + "x" * 19 + "-abcdef01"),
    ],
)
def test_a_deployments_name_fits_every_cloud(version: str, name: str) -> None:
    assert deployment_name(version, "abcdef0123456789") == name
    assert len(name) <= 29
