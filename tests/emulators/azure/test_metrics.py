"""Azure Monitor's metrics of what was asked here, and what it refuses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chance import is_likely
from tests.emulators.azure.rest import WORKSPACE, Rest
from tridock.emulators.azure.core.measurements import Measurements, Sample, Series, merged
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.monitor import metric_filter
from tridock.emulators.clock import Clock

SCORE = """
import json, time
def init(): pass
def run(raw):
    wish = json.loads(raw)
    time.sleep(wish.get("sleep", 0))
    if wish.get("fail"):
        raise ValueError("no")
    return wish
"""
NAME = "metrics-ep"
#: Requests of which half are copied.
COPIED_OF = 100
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/{NAME}"
INSIGHTS = "/providers/Microsoft.Insights"
ALL = "deployment eq 'blue' and statusCode eq '*' and modelStatusCode eq '*'"

Points = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def since(rest: Rest) -> Iterator[datetime]:
    """When requests began: blue answers nine of ten, green gets one by name and copies."""
    rest.endpoint(NAME)
    code = rest.script(SCORE, "metrics-code")
    for color in ("blue", "green"):
        body = rest.deployment(code, requestSettings={"requestTimeout": "PT5S"})
        assert rest.deploy(NAME, color, body)["status"] == "Succeeded"
    assert rest.endpoint(NAME, traffic={"blue": 100})["status"] == "Succeeded"
    began = datetime.now(UTC)
    wishes: list[dict[str, Any]] = [{}] * 6 + [{"sleep": 0.2}] * 2 + [{"fail": True}]
    for wish in wishes:
        rest.score(NAME, wish)
    assert rest.score(NAME, {"sleep": 8}).status_code == 408
    rest.score(NAME, {}, azureml_model_deployment="green")
    rest.endpoint(NAME, traffic={"blue": 100}, mirrorTraffic={"green": 50})
    for _ in range(COPIED_OF):
        rest.score(NAME, {})
    time.sleep(0.3)  # a minute is told when it is over; here it takes a tenth of a second
    yield began
    rest.endpoint(NAME, traffic={"blue": 100})


def asked(rest: Rest, path: str, since: datetime, **query: str) -> dict[str, Any]:
    until = datetime.now(UTC) + timedelta(minutes=1)
    span = f"{since.isoformat()}/{until.isoformat()}"
    answer = rest.arm("GET", f"{path}{INSIGHTS}/metrics", timespan=span, **query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def sums(told: dict[str, Any], aggregation: str = "average") -> Points:
    (metric,) = told["value"]
    assert metric["errorCode"] == "Success"
    return {
        tuple(one["value"] for one in series["metadatavalues"]): sum(
            point.get(aggregation, 0) for point in series["data"]
        )
        for series in metric["timeseries"]
    }


def test_requests_are_counted_by_deployment_and_by_both_statuses(
    rest: Rest, since: datetime
) -> None:
    told = asked(rest, ENDPOINT, since, metricnames="RequestsPerMinute", **{"$filter": ALL})
    assert sums(told) == {
        ("blue", "200", "200"): 8 + COPIED_OF,
        ("blue", "424", "500"): 1,
        ("blue", "408", ""): 1,
    }
    assert told["interval"] == "PT1M"
    assert told["namespace"] == "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"


def test_what_names_a_deployment_counts_and_a_copy_counts_only_for_who_got_it(
    rest: Rest, since: datetime
) -> None:
    query = {"metricnames": "requestsperminute", "$filter": "deployment eq '*'"}
    by_deployment = sums(asked(rest, ENDPOINT, since, **query))
    assert set(by_deployment) == {("blue",), ("green",)}
    assert by_deployment["green",] == 1
    path = f"{ENDPOINT}/deployments/green"
    query["$filter"] = "envoy_response_code eq '*'"
    copied = sums(asked(rest, path, since, **query))
    assert is_likely(int(copied["200",]) - 1, COPIED_OF, 0.5)


def test_a_filter_excludes_and_gives_alternatives(rest: Rest, since: datetime) -> None:
    query = {"metricnames": "RequestsPerMinute"}
    query["$filter"] = "deployment eq 'blue' and statusCodeClass ne '2xx'"
    assert sums(asked(rest, ENDPOINT, since, **query)) == {("blue", "4xx"): 2}
    query["$filter"] = "statusCode eq '408' or statusCode eq '424'"
    assert sums(asked(rest, ENDPOINT, since, **query)) == {("408",): 1, ("424",): 1}


def test_latencies_come_in_percentiles_of_each_minute(rest: Rest, since: datetime) -> None:
    query = {"interval": "PT1H", "$filter": "deployment eq 'blue'"}
    for name, fits in (("RequestLatency_P99", 4990.0), ("RequestLatency_P50", 0.1)):
        (found,) = asked(rest, ENDPOINT, since, metricnames=name, **query)["value"]
        assert found["unit"] == "MilliSeconds"
        most = max(one.get("average", 0) for one in found["timeseries"][0]["data"])
        assert fits < most


def test_no_more_series_are_told_than_were_asked_for(rest: Rest, since: datetime) -> None:
    query = {"metricnames": "RequestsPerMinute", "$filter": ALL, "top": "1"}
    assert set(sums(asked(rest, ENDPOINT, since, **query))) == {("blue", "200", "200")}


def test_nothing_is_told_of_the_future_or_of_what_is_not_there(rest: Rest, since: datetime) -> None:
    later = since + timedelta(days=1)
    span = f"{later.isoformat()}/{(later + timedelta(minutes=1)).isoformat()}"
    path = f"{ENDPOINT}{INSIGHTS}/metrics"
    query = {"metricnames": "RequestsPerMinute", "timespan": span}
    (series,) = rest.arm("GET", path, **query).json()["value"][0]["timeseries"]
    assert series["data"] == []
    query["$filter"] = ALL
    assert rest.arm("GET", path, **query).json()["value"][0]["timeseries"] == []
    ghost = rest.arm("GET", path.replace(NAME, "ghost"), metricnames="RequestsPerMinute")
    assert (ghost.status_code, ghost.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_the_definitions_name_units_and_dimensions(rest: Rest, since: datetime) -> None:
    found = rest.arm("GET", f"{ENDPOINT}{INSIGHTS}/metricDefinitions").json()["value"]
    told = {one["name"]["value"]: one for one in found}
    dimensions = [one["value"] for one in told["RequestsPerMinute"]["dimensions"]]
    assert dimensions == ["deployment", "statusCode", "statusCodeClass", "modelStatusCode"]
    assert told["RequestLatency_P95"]["unit"] == "MilliSeconds"
    assert told["RequestsPerMinute"]["primaryAggregationType"] == "Average"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"metricnames": "Ghost"}, "metric: Ghost, Valid metrics: RequestLatency,"),
        ({"interval": "PT3M"}, "Invalid time grain duration: PT3M, supported ones are: 00:01:00"),
        ({"timespan": "yesterday"}, "Invalid timespan 'yesterday'"),
        ({"timespan": "2026-01-02T00:00:00Z/2026-01-01T00:00:00Z"}, "end time is before"),
        ({"aggregation": "median"}, "Invalid aggregation: median"),
        ({"metricnamespace": "Microsoft.App/containerapps"}, "is not that of Microsoft.Machine"),
        ({"$filter": "deployment = 'blue'"}, "expected name eq 'value'"),
        (
            {"metricnames": "RequestLatency_P95", "$filter": "statusCode eq '200'"},
            "does not support requested dimension combination: statuscode, supported ones are: "
            "deployment",
        ),
    ],
)
def test_mistakes_are_refused_without_an_error_around_them(
    rest: Rest, since: datetime, query: dict[str, str], said: str
) -> None:
    answer = rest.arm("GET", f"{ENDPOINT}{INSIGHTS}/metrics", **query)
    assert answer.status_code == 400
    assert answer.json()["code"] == "BadRequest"
    assert said in answer.json()["message"]


def test_what_has_no_metrics_is_no_supported_namespace(rest: Rest, since: datetime) -> None:
    path = f"{WORKSPACE}/environments/env/versions/1"
    answer = rest.arm("GET", f"{path}{INSIGHTS}/metrics", metricnames="RequestsPerMinute")
    assert answer.status_code == 400
    assert "is not a supported platform metric namespace" in answer.json()["message"]


def test_two_dimensions_are_no_alternatives() -> None:
    with pytest.raises(AzureError, match="cannot separate two different metadata names"):
        metric_filter.read("A eq 'a1' and B eq 'b1' and C eq '*' or B eq 'b2'")
    found = metric_filter.read("A eq 'a1' and (B eq 'b1' or B eq 'b2') and C eq '*'")
    assert found.names == ("a", "b", "c")
    assert found.holds({"a": "A1", "b": "b2", "c": "any"})
    assert not found.holds({"a": "a1", "b": "b3", "c": "any"})


def test_what_was_measured_outlives_the_emulator_once(tmp_path: Path) -> None:
    clock, file = Clock(600.0), tmp_path / "metrics.jsonl"
    series = Series.of("/subscriptions/x", deployment="blue")
    measured = Measurements(clock, file)
    for round_ in (1, 2):
        measured.add(series, 10.0 * round_)
        measured.write(all_of_it=True)
        measured.write(all_of_it=True)
        with file.open("a") as cut:
            cut.write('{"start": 1\n')  # killed while it wrote
        measured = Measurements(clock, file)
        measured.restore()
        now = measured.number(time.time())
        (whole,) = {one[1] for one in measured.of(series.resource, 0, now + 1)}
        assert whole == series
        held = merged(one[2] for one in measured.of(series.resource, 0, now + 1))
        assert (held.count, held.most) == (round_, 10.0 * round_)


@given(st.lists(st.floats(0.01, 1e5), min_size=1), st.sampled_from((50, 90, 95, 99, 100)))
def test_a_percentile_is_right_to_half_a_percent(times: list[float], percent: int) -> None:
    halves = [Sample(), Sample()]
    for number, one in enumerate(times):
        halves[number % 2].add(one)
    rank = -(-len(times) * percent // 100)
    exact = sorted(times)[rank - 1]
    assert merged(halves).percentile(percent) == pytest.approx(exact, rel=0.0051)
