"""Who is warned of endpoints that nobody asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tests.deploy.memory import MemoryTarget
from tridock.deploy.cleanup import idle
from tridock.deploy.cleanup.idle import Idle, Patience
from tridock.deploy.target.errors import PermissionDeniedError
from tridock.deploy.target.metrics import Answer
from tridock.deploy.target.plugins import Prices
from tridock.deploy.target.records import Deployment, Endpoint, State

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PRICES = Prices({"large": 0.5}, "a list")


def endpoint(
    ages: Mapping[str, float], traffic: Mapping[str, int], *, state: State = State.READY
) -> Endpoint:
    """Let deployments be so many hours old."""
    deployments = {
        name: Deployment(
            name, State.READY, instance="large", count=2, created=NOON - timedelta(hours=hours)
        )
        for name, hours in ages.items()
    }
    return Endpoint("iris", deployments, traffic, state)


@dataclass
class Case:
    """One look, and what it asked for."""

    target: MemoryTarget = field(default_factory=MemoryTarget)
    told: list[str] = field(default_factory=list)

    def look(
        self, found: Endpoint, *, hours: float = 24, prices: Prices | None = PRICES
    ) -> Idle | None:
        return idle.look(self.target, found, Patience(hours, NOON, self.told.append), prices)


OLD = endpoint({"v1": 100}, {"v1": 100})
SEEN = [Answer("1", (), 1.0)]


def test_an_endpoint_without_requests_is_idle_and_costs_what_all_of_it_costs() -> None:
    found = endpoint({"v1": 100, "v2": 30}, {"v2": 100})
    case = Case()
    assert case.look(found) == Idle("iris", 24, 2.0)
    assert case.target.calls == ["metrics"]


def test_one_request_is_enough() -> None:
    assert Case(MemoryTarget(seen={"v1": SEEN})).look(OLD) is None


def test_what_the_target_does_not_tell_is_no_reason_to_warn() -> None:
    assert Case(MemoryTarget(blind=True)).look(OLD) is None


def test_all_that_serve_are_asked_for_until_one_had_a_request() -> None:
    both = endpoint({"v1": 100, "v2": 30}, {"v1": 50, "v2": 50})
    quiet, busy = Case(), Case(MemoryTarget(seen={"v1": SEEN}))
    assert quiet.look(both)
    assert quiet.target.calls == ["metrics", "metrics"]
    assert busy.look(both) is None
    assert busy.target.calls == ["metrics"]


@pytest.mark.parametrize(
    "found",
    [
        endpoint({"v1": 100, "v2": 23}, {"v2": 100}),
        endpoint({"v1": 100}, {"v1": 100}, state=State.UPDATING),
        endpoint({"v1": 100, "v2": 1}, {}),
        endpoint({}, {}),
    ],
    ids=["young", "changing", "young without traffic", "empty"],
)
def test_nothing_is_asked_where_it_is_too_early_to_tell(found: Endpoint) -> None:
    case = Case()
    assert case.look(found) is None
    assert case.target.calls == []


def test_zero_hours_ask_nothing() -> None:
    case = Case()
    assert case.look(OLD, hours=0) is None
    assert case.target.calls == []


def test_what_has_no_traffic_at_all_is_idle_and_nobody_need_be_asked() -> None:
    case = Case()
    assert case.look(endpoint({"v1": 100}, {})) == Idle("iris", 24, 1.0)
    assert case.target.calls == []


@pytest.mark.parametrize(("prices", "dollars"), [(None, 0.0), (Prices({}, ""), None)])
def test_a_price_that_is_not_known_is_none(prices: Prices | None, dollars: float | None) -> None:
    assert Case().look(OLD, prices=prices) == Idle("iris", 24, dollars)


def test_a_target_that_refuses_to_tell_is_told_of_and_warns_of_nothing() -> None:
    case = Case(MemoryTarget(faults={1: PermissionDeniedError("you may not look")}))
    assert case.look(OLD) is None
    assert case.told == ["requests to iris are not known: you may not look"]
