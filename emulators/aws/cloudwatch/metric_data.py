"""Statistics of metrics by the service's periods: for GetMetricData and for alarms."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, MetricAggregatedDatum, MetricDatum

from tridock.emulators.aws.cloudwatch.alarm_rule import percentile
from tridock.emulators.aws.cloudwatch.metric_math import evaluate
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.calls import replace_methods

#: Seconds by which a time at the beginning of a period may have been rounded down.
ROUNDING = 1e-5
_STATISTICS: Mapping[str, Callable[[Any], float]] = {
    "Sum": lambda data: sum(_sum(datum) for datum in data),
    "SampleCount": lambda data: sum(_count(datum) for datum in data),
    "Average": lambda data: sum(map(_sum, data)) / sum(map(_count, data)),
    "Minimum": lambda data: min(map(_lowest, data)),
    "Maximum": lambda data: max(map(_highest, data)),
}


def install(cloud: Cloud) -> None:
    """Align periods to whole multiples of themselves, in the time of the clock.

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
        answers = []
        for query in queries:
            length = cloud.clock.real(float(query["MetricStat"]["Period"]))
            points = list(_points(_metric(query["MetricStat"]), data, between, length))
            ordered = points if scan_by == "TimestampAscending" else points[::-1]
            answers.append(_result(query, ordered))
        return answers

    replace_methods(CloudWatchBackend, {"get_metric_data": get_metric_data})


def _points(
    metric: Metric, data: Sequence[Any], between: tuple[float, float], length: float
) -> Iterator[tuple[float, float]]:
    """Yield the begin and the statistic of each period with data."""
    first, last = between[0] // length, between[1] / length
    periods: dict[int, list[Any]] = defaultdict(list)
    for datum in data:
        period = (seconds(datum.timestamp) + ROUNDING) // length
        if first <= period < last and metric.has(datum):
            periods[int(period)].append(datum)
    for period, members in sorted(periods.items()):
        value = statistic(metric.statistic, members)
        if value is not None:
            yield period * length, value


def _metric(stat: Mapping[str, Any]) -> Metric:
    metric = stat["Metric"]
    return Metric(
        metric["Namespace"],
        metric["MetricName"],
        frozenset((pair["Name"], pair["Value"]) for pair in metric.get("Dimensions", ())),
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


@dataclass(frozen=True)
class Windows:
    """Consecutive periods, the last of which ended just now.

    Attributes
    ----------
    end : float
        Real time at which the last period ended, seconds since 1970.
    length : float
        Real seconds of one period.
    count : int
        How many periods.
    """

    end: float
    length: float
    count: int

    @classmethod
    def until(cls, now: float, length: float, count: int) -> Windows:
        """Return the last `count` complete periods; they begin at whole multiples of `length`."""
        return cls(now // length * length, length, count)

    def place(self, when: float) -> int | None:
        """Return the number of the period `when` lies in, from 0, the oldest."""
        number = int((when + ROUNDING - self.end) // self.length) + self.count
        return number if 0 <= number < self.count else None


@dataclass(frozen=True)
class Metric:
    """One metric and the statistic that is taken of it.

    Attributes
    ----------
    namespace, name : str
        As published.
    dimensions : frozenset of (str, str)
        All of them: a metric with more or fewer is another metric.
    statistic : str
        ``"Sum"``, ``"Average"``, ``"Minimum"``, ``"Maximum"``, ``"SampleCount"``, or a percentile
        such as ``"p99"``.
    unit : str
        Empty for any.
    """

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    statistic: str
    unit: str = ""

    def has(self, datum: Any) -> bool:
        """Return whether `datum` was published to this metric."""
        return (
            datum.name == self.name
            and datum.namespace == self.namespace
            and (not self.unit or datum.unit == self.unit)
            and frozenset((d.name, d.value) for d in datum.dimensions) == self.dimensions
        )


def points(alarm: Any, data: Iterable[Any], windows: Windows) -> list[float | None]:
    """Return the alarm's data point for each period, oldest first; None where there are no data.

    Raises
    ------
    ExpressionError
        If its metric math is not understood.
    """
    if not alarm.metric_data_queries:
        return _series(_metric_of_alarm(alarm), data, windows)
    series = {
        query.id: _series(_metric_of_query(query), data, windows)
        for query in alarm.metric_data_queries
        if query.metric_stat
    }
    returned = next(q for q in alarm.metric_data_queries if _is_true(q.return_data))
    if returned.metric_stat:
        return series[returned.id]
    return evaluate(returned.expression, series)


def _series(metric: Metric, data: Iterable[Any], windows: Windows) -> list[float | None]:
    periods: list[list[Any]] = [[] for _ in range(windows.count)]
    for datum in data:
        place = windows.place(seconds(datum.timestamp))
        if place is not None and metric.has(datum):
            periods[place].append(datum)
    return [statistic(metric.statistic, period) for period in periods]


def statistic(name: str, data: list[Any]) -> float | None:
    """Return a statistic of the data of one period; None if there are none.

    Parameters
    ----------
    name : str
        As `Metric.statistic`.
    """
    if name in _STATISTICS:
        return _STATISTICS[name](data) if data else None
    # Percentiles need the values themselves, which statistic sets do not hold (API reference,
    # PutMetricAlarm, "ExtendedStatistic").
    values = [value for datum in data for value in _values(datum)]
    return percentile(values, float(name.removeprefix("p"))) if values else None


def _metric_of_alarm(alarm: Any) -> Metric:
    return Metric(
        alarm.namespace,
        alarm.metric_name,
        frozenset((d.name, d.value) for d in alarm.dimensions),
        alarm.extended_statistic or alarm.statistic,
        alarm.unit or "",
    )


def _metric_of_query(query: Any) -> Metric:
    stat = query.metric_stat
    return Metric(
        stat.metric.namespace,
        stat.metric.metric_name,
        frozenset((d.name, d.value) for d in stat.metric.dimensions),
        stat.stat,
        stat.unit or "",
    )


def _is_true(value: object) -> bool:
    return value is None or str(value).lower() == "true"


def seconds(when: dt.datetime) -> float:
    """Return a time of moto's, UTC without a zone, as seconds since 1970."""
    return (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()


def _values(datum: Any) -> list[float]:
    return [datum.value] if isinstance(datum, MetricDatum) else getattr(datum, "values", [])


def _sum(datum: Any) -> float:
    return float(datum.sum if isinstance(datum, MetricAggregatedDatum) else datum.value)


def _count(datum: Any) -> float:
    return float(datum.sample_count if isinstance(datum, MetricAggregatedDatum) else 1)


def _lowest(datum: Any) -> float:
    return float(datum.min if isinstance(datum, MetricAggregatedDatum) else datum.value)


def _highest(datum: Any) -> float:
    return float(datum.max if isinstance(datum, MetricAggregatedDatum) else datum.value)
