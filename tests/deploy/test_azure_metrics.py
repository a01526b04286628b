"""What Azure Monitor's answers come to: minutes, statuses, and our own requests among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tridock.deploy.azure import CLOUD, metrics
from tridock.deploy.azure.account import Account
from tridock.deploy.azure.metrics import Measured
from tridock.deploy.azure.target import AzureTarget
from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.metrics import Metrics, Own

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)

Told = Mapping[tuple[str, str], list[tuple[datetime, float | None]]]


@dataclass(frozen=True)
class Monitored(Account):
    """An account of which Azure Monitor tells so much.

    `told` has the minutes by resource's name and metric, each under the statuses `labels`.
    """

    told: Told = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    spans: list[str] = field(default_factory=list)

    def measured(self, resource: str, query: Mapping[str, str]) -> Any:
        self.spans.append(query["timespan"])
        start, end = map(datetime.fromisoformat, query["timespan"].split("/"))
        points = self.told.get((resource.split("/")[-1], query["metricnames"]), [])
        data = [
            {"timeStamp": when.isoformat(), **({} if value is None else {"average": value})}
            for when, value in points
            if start - MINUTE < when < end
        ]
        names = [{"name": {"value": name}, "value": one} for name, one in self.labels.items()]
        return {"value": [{"timeseries": [{"metadatavalues": names, "data": data}]}]}


def measured(told: Told, since: datetime, own: Own | None = None, **labels: str) -> Metrics:
    account = Monitored("s", "g", "w", told=told, labels=labels)
    return metrics.of_endpoint(account, Measured("iris", "v1", own or Own()), since)


def minutes(*values: float | None) -> list[tuple[datetime, float | None]]:
    """So many minutes until a while ago."""
    first = NOW - (len(values) + 1) * MINUTE
    return [(first + number * MINUTE, value) for number, value in enumerate(values)]


def test_whole_minutes_that_began_since_the_moment_are_added_up() -> None:
    told = {("iris", "RequestsPerMinute"): minutes(100, 20, None, 3)}
    since = minutes(0, 0, 0, 0)[1][0]
    assert measured(told, since, statuscode="200").requests == 23
    assert measured(told, since + timedelta(seconds=1), statuscode="200").requests == 3


def test_the_p95_is_the_mean_of_the_minutes_by_their_requests() -> None:
    told = {
        ("iris", "RequestsPerMinute"): minutes(90, None, 10),
        ("v1", "RequestLatency_P95"): minutes(100.0, None, 200.0),
    }
    found = measured(told, NOW - timedelta(hours=1), statuscode="200")
    assert found.latency_p95_ms == pytest.approx(110.0)


def test_what_gets_copies_alone_is_told_by_the_deployment_itself() -> None:
    told = {
        ("iris", "RequestsPerMinute"): minutes(None),
        ("v1", "RequestsPerMinute"): minutes(7),
        ("v1", "RequestLatency_P95"): minutes(40.0),
    }
    found = measured(told, NOW - timedelta(hours=1), envoy_response_code="500")
    assert (found.requests, found.errors, found.latency_p95_ms) == (7, 7, 40.0)


def test_our_own_requests_are_taken_off_the_minutes_that_are_told() -> None:
    own = Own()
    for when in (0, 0, 1, 5):  # minutes ago; the last ones are not told yet
        own._sent.setdefault(("iris", "v1"), []).append((NOW - when * MINUTE, True))
    told = {("iris", "RequestsPerMinute"): minutes(None, None, 4, None)}
    found = measured(told, NOW - timedelta(hours=1), own, statuscode="500")
    assert (found.requests, found.errors) == (3, 3)


def test_a_long_time_is_asked_for_day_by_day_and_counted_once() -> None:
    first = NOW - timedelta(days=2, hours=1)
    points: list[tuple[datetime, float | None]] = [
        (first + number * MINUTE, 1.0) for number in range(0, 2 * 24 * 60 + 30)
    ]
    account = Monitored("s", "g", "w", told={("iris", "RequestsPerMinute"): points})
    found = metrics.of_endpoint(account, Measured("iris", "v1", Own()), first)
    assert found.requests == len(points)
    assert len(account.spans) == 2 * 3


def test_nothing_is_asked_of_the_future() -> None:
    account = Monitored("s", "g", "w")
    found = metrics.of_endpoint(account, Measured("iris", "v1", Own()), NOW + timedelta(days=1))
    assert found == Metrics()
    assert account.spans == []


@pytest.mark.parametrize("setting", ["-1", "101", "all", "0.5"])
def test_answers_to_collect_are_a_whole_percent(setting: str) -> None:
    settings = {name: one.default for name, one in CLOUD.settings.items()}
    with pytest.raises(ConfigError, match="azure.collect"):
        AzureTarget.connect({**settings, "collect": setting})


@pytest.mark.parametrize(
    ("dimensions", "failed"),
    [
        ({"statuscode": "200", "modelstatuscode": "200"}, False),
        ({"statuscode": "424", "modelstatuscode": "400"}, False),
        ({"statuscode": "424", "modelstatuscode": "500"}, True),
        ({"statuscode": "424", "modelstatuscode": ""}, True),
        ({"statuscode": "408", "modelstatuscode": ""}, True),
        ({"statuscode": "429", "modelstatuscode": ""}, False),
        ({"statuscode": "500", "modelstatuscode": ""}, True),
        ({"envoy_response_code": "503"}, True),
        ({"envoy_response_code": "404"}, False),
        ({"envoy_response_code": "0"}, True),
    ],
)
def test_a_deployment_fails_by_5xx_or_no_answer_alone(
    dimensions: dict[str, str], failed: bool
) -> None:
    assert metrics.is_failure(dimensions) is failed
