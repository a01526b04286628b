"""Statistics of metrics as GetMetricData tells them: by the service's periods, percentiles too."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend

from tridock.emulators.aws.cloudwatch.alarm_data import ROUNDING, Metric, seconds, statistic
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.patches import replace_methods


def install(cloud: Cloud) -> None:
    """Let a period begin at a whole multiple of itself, and last as long as on the clock.

    moto lets the first period begin where the caller's time does, counts in real seconds, and
    knows no percentiles. Queries among which are expressions are left to it.
    """
    plain = CloudWatchBackend.get_metric_data

    def get_metric_data(
        self: CloudWatchBackend,
        queries: list[dict[str, Any]],
        start_time: dt.datetime,
        end_time: dt.datetime,
        scan_by: str = "TimestampAscending",
    ) -> list[dict[str, Any]]:
        if not all("MetricStat" in query for query in queries) or start_time >= end_time:
            return plain(self, queries, start_time, end_time, scan_by)
        data, between = self.get_all_metrics(), (seconds(start_time), seconds(end_time))
        told = []
        for query in queries:
            length = cloud.clock.real(float(query["MetricStat"]["Period"]))
            points = list(_points(_metric(query["MetricStat"]), data, between, length))
            ordered = points if scan_by == "TimestampAscending" else points[::-1]
            told.append(_result(query, ordered))
        return told

    replace_methods(CloudWatchBackend, {"get_metric_data": get_metric_data})


def _points(
    metric: Metric, data: Sequence[Any], between: tuple[float, float], length: float
) -> Iterator[tuple[float, float]]:
    """Yield when each period with data began, and its statistic."""
    first, last = between[0] // length, between[1] / length
    periods: dict[int, list[Any]] = defaultdict(list)
    for datum in data:
        period = (seconds(datum.timestamp) + ROUNDING) // length
        if first <= period < last and metric.has(datum):
            periods[int(period)].append(datum)
    for period, found in sorted(periods.items()):
        value = statistic(metric.statistic, found)
        if value is not None:
            yield period * length, value


def _metric(stat: Mapping[str, Any]) -> Metric:
    asked = stat["Metric"]
    return Metric(
        asked["Namespace"],
        asked["MetricName"],
        frozenset((each["Name"], each["Value"]) for each in asked.get("Dimensions", ())),
        stat["Stat"],
        stat.get("Unit") or "",
    )


def _result(query: Mapping[str, Any], points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    stat = query["MetricStat"]
    return {
        "id": query["Id"],
        "label": query.get("Label") or f"{stat['Metric']['MetricName']} {stat['Stat']}",
        "values": [value for _, value in points],
        "timestamps": [dt.datetime.fromtimestamp(when, dt.UTC) for when, _ in points],
        "status_code": "Complete",
    }
