"""MetricService of Cloud Monitoring: what was measured of predictions, as time series."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.histogram import Histogram
from tridock.emulators.gcp.monitoring import conditions
from tridock.emulators.gcp.monitoring.alignment import (
    Aggregation,
    Point,
    Series,
    added,
    aligned,
    reduced,
)
from tridock.emulators.gcp.monitoring.conditions import Condition
from tridock.emulators.gcp.monitoring.descriptors import ALL, METRICS, RESOURCES, Metric, Value
from tridock.emulators.gcp.protocol import listing
from tridock.emulators.gcp.protocol.errors import InvalidArgumentError, NotFoundError
from tridock.emulators.gcp.protocol.names import Record, number

#: Of points, or of series without them ("page_size" in metric_service.proto).
PAGE_SIZE = 100_000


def list_time_series(cloud: Cloud, request: Record) -> Record:
    """``ListTimeSeries``: the points whose intervals end after the start and up to the end."""
    condition = conditions.read(request.get("filter", ""))
    metric = _metric(request.get("filter", ""), condition)
    start, end = _interval(request.get("interval", {}))
    asked = _aggregation(request.get("aggregation", {}), metric)
    project = request["name"].split("/")[1]
    found = [one for one in _series(cloud, metric, project) if _fits(one, metric, condition)]
    found = [replace(one, points=_within(one.points, start, end)) for one in found]
    found = [aligned(one, asked, end) for one in found if one.points]
    found = reduced(found, asked)
    unit = "1/s" if asked.aligner == "ALIGN_RATE" else metric.unit
    return _page(found, metric, request) | {"unit": unit}


def list_descriptors(cloud: Cloud, request: Record) -> Record:
    """``ListMetricDescriptors``: of the metrics that are measured here."""
    condition = conditions.read(request.get("filter", ""))
    found = [
        metric.record(request["name"])
        for metric in ALL
        if condition.test({"metric": {"type": metric.type}, "resource": {"type": metric.resource}})
    ]
    paging: Record = {key: request[key] for key in ("pageSize", "pageToken") if key in request}
    return dict(listing.answer("metricDescriptors", found, paging))


def get_descriptor(cloud: Cloud, request: Record) -> Record:
    """``GetMetricDescriptor``."""
    project, _, type_ = request["name"].partition("/metricDescriptors/")
    if type_ not in METRICS:
        raise NotFoundError(f"Could not find descriptor for metric '{type_}'.")
    return METRICS[type_].record(project)


def _metric(text: str, condition: Condition) -> Metric:
    """Return the one metric that a filter names."""
    wanted = condition.equals.get("metric.type")
    if wanted is None:
        words = 'must specify a restriction on "metric.type" to a single metric in the filter.'
        raise conditions.invalid(text, words)
    metric = METRICS.get(wanted)
    if metric is None:
        raise NotFoundError(
            f'Cannot find metric(s) that match type = "{wanted}". If a metric was created '
            "recently, it could take up to 10 minutes to become available. Please try again soon."
        )
    known = {f"metric.labels.{key}" for key in metric.labels}
    known |= {f"resource.labels.{key}" for key in RESOURCES[metric.resource]}
    known |= {"metric.type", "resource.type", "project"}
    other = condition.equals.get("resource.type", metric.resource) != metric.resource
    if other or not known.issuperset(condition.paths):
        raise InvalidArgumentError(
            "The supplied filter does not specify a valid combination of metric and monitored "
            "resource descriptors. The query will not return any time series."
        )
    return metric


def _interval(given: Record) -> tuple[float, float]:
    if "endTime" not in given:
        raise InvalidArgumentError("Request was missing field interval.endTime.")
    end = _seconds(given["endTime"])
    start = _seconds(given["startTime"]) if "startTime" in given else end
    if start > end:
        raise InvalidArgumentError(
            f'Field interval.startTime had an invalid value of "{given["startTime"]}": The start '
            "time must not be later than the end time."
        )
    return start, end


def _aggregation(given: Record, metric: Metric) -> Aggregation:
    asked = Aggregation(
        float(given.get("alignmentPeriod", "0s").removesuffix("s")),
        given.get("perSeriesAligner", "ALIGN_NONE"),
        given.get("crossSeriesReducer", "REDUCE_NONE"),
        tuple(given.get("groupByFields", ())),
    )
    asked.check()
    # Before any series is found: who asks for what cannot be shall not depend on the data.
    nothing = Series({}, {}, (), value_type=metric.value_type)
    reduced([aligned(nothing, asked, 0.0)], asked)
    return asked


def _series(cloud: Cloud, metric: Metric, project: str) -> Iterator[Series]:
    """Yield every series of a metric in a project, newest points first."""
    labels: dict[tuple[Any, ...], tuple[Mapping[str, str], Mapping[str, str]]] = {}
    values: dict[tuple[Any, ...], dict[tuple[float, float], Value]] = defaultdict(dict)
    for minute in cloud.meter.minutes(metric.resource, metric.delay):
        origin = minute.origin
        if number(origin.project) != number(project):
            continue
        for own, value in metric.values(minute.status, minute.tally):
            found = {k: v for k, v in origin.labels if k in metric.labels} | dict(own)
            key = (origin.resource_labels, tuple(sorted(found.items())))
            labels[key] = found, dict(origin.resource_labels)
            points, when = values[key], (minute.start, minute.end)
            points[when] = added([points[when], value]) if when in points else value
    for key in sorted(labels):
        points = values[key]
        newest = tuple(Point(*when, points[when]) for when in sorted(points, reverse=True))
        yield Series(*labels[key], newest, value_type=metric.value_type)


def _fits(series: Series, metric: Metric, condition: Condition) -> bool:
    return condition.test(
        {
            "metric": {"type": metric.type, "labels": series.metric},
            "resource": {"type": metric.resource, "labels": series.resource},
            "project": series.resource.get("project_id", ""),
        }
    )


def _within(points: Sequence[Point], start: float, end: float) -> tuple[Point, ...]:
    return tuple(point for point in points if start < point.end <= end)


def _page(found: Sequence[Series], metric: Metric, request: Record) -> Record:
    """Return one page: of points, or of series if only their headers are asked for."""
    headers = request.get("view") == "HEADERS"
    flat = [(n, p) for n, one in enumerate(found) for p in ([None] if headers else one.points)]
    size = min(int(request.get("pageSize", 0)) or PAGE_SIZE, PAGE_SIZE)
    start = _offset(request.get("pageToken", ""))
    shown: dict[int, list[Record]] = defaultdict(list)
    for n, point in flat[start : start + size]:
        shown[n] += [] if point is None else [_point(found[n], point)]
    page: Record = {"timeSeries": [_record(found[n], metric) | _all(p) for n, p in shown.items()]}
    if start + size < len(flat):
        page["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return page


def _all(points: list[Record]) -> Record:
    return {"points": points} if points else {}


def _record(series: Series, metric: Metric) -> Record:
    return {
        "metric": {"type": metric.type, "labels": dict(series.metric)},
        "resource": {"type": metric.resource, "labels": dict(series.resource)},
        "metricKind": series.kind,
        "valueType": series.value_type,
    }


def _point(series: Series, point: Point) -> Record:
    interval = {"startTime": _stamp(point.start), "endTime": _stamp(point.end)}
    return {"interval": interval, "value": _value(series, point.value)}


def _value(series: Series, value: Value) -> Record:
    if isinstance(value, Histogram):
        return {"distributionValue": value.record()}
    if series.value_type == "INT64":
        return {"int64Value": str(value)}
    return {"doubleValue": value}


def _offset(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token.encode())) if token else 0
    except ValueError:
        raise InvalidArgumentError(f'Field pageToken had an invalid value of "{token}".') from None


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


HANDLERS: Mapping[str, Handler] = {
    "MetricService.ListTimeSeries": list_time_series,
    "MetricService.ListMetricDescriptors": list_descriptors,
    "MetricService.GetMetricDescriptor": get_descriptor,
}
