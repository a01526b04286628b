"""GetMetricData: the service's minutes, and percentiles."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.emulators.aws.hosting import Aws

#: Real seconds of a minute of the service, at the speed of these tests.
MINUTE = 1.0


@pytest.fixture(scope="module")
def cloudwatch(aws: Aws) -> Any:
    return aws.client("cloudwatch")


def query(name: str, stat: str, **more: Any) -> dict[str, Any]:
    metric = {"Namespace": "Test", "MetricName": name}
    return {
        "Id": stat.lower(),
        "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat},
        **more,
    }


def put(cloudwatch: Any, name: str, when: float, *values: float) -> None:
    moment = datetime.fromtimestamp(when, UTC)
    data = [{"MetricName": name, "Timestamp": moment, "Value": value} for value in values]
    cloudwatch.put_metric_data(Namespace="Test", MetricData=data)


def told(cloudwatch: Any, queries: list[dict[str, Any]], since: float, **more: Any) -> Any:
    start = datetime.fromtimestamp(since, UTC)
    end = start + timedelta(seconds=60)
    found = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=start, EndTime=end, **more
    )
    return found["MetricDataResults"]


def test_values_are_told_by_the_minutes_of_the_service_which_begin_at_their_beginning(
    cloudwatch: Any,
) -> None:
    name, minute = uuid.uuid4().hex, time.time() // MINUTE * MINUTE - 10
    put(cloudwatch, name, minute + 0.1, 1, 2)
    put(cloudwatch, name, minute + 0.7, 3)
    put(cloudwatch, name, minute + 2.0, 5)
    queries = [query(name, "Sum"), query(name, "p50"), query(name, "SampleCount")]
    results = told(cloudwatch, queries, minute + 0.5, ScanBy="TimestampAscending")
    begun = [datetime.fromtimestamp(minute + after, UTC) for after in (0, 2)]
    assert [each["Timestamps"] for each in results] == [begun] * 3
    assert [each["Values"] for each in results] == [[6, 5], [2, 5], [3, 1]]


def test_the_newest_comes_first_unless_told_otherwise(cloudwatch: Any) -> None:
    name, minute = uuid.uuid4().hex, time.time() // MINUTE * MINUTE - 10
    put(cloudwatch, name, minute, 1)
    put(cloudwatch, name, minute + 1, 2)
    (result,) = told(cloudwatch, [query(name, "Maximum")], minute)
    assert result["Values"] == [2, 1]


def test_what_came_before_is_not_told(cloudwatch: Any) -> None:
    name, minute = uuid.uuid4().hex, time.time() // MINUTE * MINUTE - 10
    put(cloudwatch, name, minute - 1, 1)
    (result,) = told(cloudwatch, [query(name, "Sum")], minute)
    assert result["Values"] == []


def test_an_expression_is_evaluated(cloudwatch: Any) -> None:
    name, minute = uuid.uuid4().hex, time.time() // 60 * 60 - 60
    put(cloudwatch, name, minute, 4)
    queries = [query(name, "Sum", ReturnData=False), {"Id": "twice", "Expression": "sum"}]
    (result,) = told(cloudwatch, queries, minute)
    assert (result["Id"], result["Values"]) == ("twice", [4])
