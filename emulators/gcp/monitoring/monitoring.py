"""MetricService of Cloud Monitoring: what was measured of predictions, as time series."""

from __future__ import annotations

import base64
import json
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.histogram import Histogram
from tridock.emulators.gcp.monitoring.alignment import (
    Aggregation,
    Point,
    Series,
    added,
    aligned,
    reduced,
)
from tridock.emulators.gcp.monitoring.descriptors import ALL, METRICS, RESOURCES, Metric, Value
from tridock.emulators.gcp.protocol import listing
from tridock.emulators.gcp.protocol.errors import InvalidArgumentError, NotFoundError
from tridock.emulators.gcp.protocol.names import Record, number

#: Of points, or of series without them ("page_size" in metric_service.proto).
PAGE_SIZE = 100_000


def list_time_series(cloud: Cloud, request: Record) -> Record:
    """``ListTimeSeries``: the points whose intervals end after the start and up to the end."""
    condition = read(request.get("filter", ""))
    metric = _metric(request.get("filter", ""), condition)
    start, end = _interval(request.get("interval", {}))
    aggregation = _aggregation(request.get("aggregation", {}), metric)
    project = request["name"].split("/")[1]
    series = [one for one in _series(cloud, metric, project) if _fits(one, metric, condition)]
    series = [replace(one, points=_within(one.points, start, end)) for one in series]
    series = [aligned(one, aggregation, end) for one in series if one.points]
    series = reduced(series, aggregation)
    unit = "1/s" if aggregation.aligner == "ALIGN_RATE" else metric.unit
    return _page(series, metric, request) | {"unit": unit}


def list_descriptors(cloud: Cloud, request: Record) -> Record:
    """``ListMetricDescriptors``: of the metrics that are measured here."""
    condition = read(request.get("filter", ""))
    descriptors = [
        metric.record(request["name"])
        for metric in ALL
        if condition.test({"metric": {"type": metric.type}, "resource": {"type": metric.resource}})
    ]
    paging: Record = {key: request[key] for key in ("pageSize", "pageToken") if key in request}
    return dict(listing.answer("metricDescriptors", descriptors, paging))


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
        raise invalid(text, words)
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
    aggregation = Aggregation(
        float(given.get("alignmentPeriod", "0s").removesuffix("s")),
        given.get("perSeriesAligner", "ALIGN_NONE"),
        given.get("crossSeriesReducer", "REDUCE_NONE"),
        tuple(given.get("groupByFields", ())),
    )
    aggregation.check()
    # Before any series is found: who asks for what cannot be shall not depend on the data.
    nothing = Series({}, {}, (), value_type=metric.value_type)
    reduced([aligned(nothing, aggregation, 0.0)], aggregation)
    return aggregation


def _series(cloud: Cloud, metric: Metric, project: str) -> Iterator[Series]:
    """Yield every series of a metric in a project, newest points first."""
    labels: dict[tuple[Any, ...], tuple[Mapping[str, str], Mapping[str, str]]] = {}
    values: dict[tuple[Any, ...], dict[tuple[float, float], Value]] = defaultdict(dict)
    for minute in cloud.meter.minutes(metric.resource, metric.delay):
        origin = minute.origin
        if number(origin.project) != number(project):
            continue
        for own, value in metric.values(minute.status, minute.tally):
            shown = {k: v for k, v in origin.labels if k in metric.labels} | dict(own)
            key = (origin.resource_labels, tuple(sorted(shown.items())))
            labels[key] = shown, dict(origin.resource_labels)
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


def _page(series: Sequence[Series], metric: Metric, request: Record) -> Record:
    """Return one page: of points, or of series if only their headers are wanted."""
    headers = request.get("view") == "HEADERS"
    flat = [(n, p) for n, one in enumerate(series) for p in ([None] if headers else one.points)]
    size = min(int(request.get("pageSize", 0)) or PAGE_SIZE, PAGE_SIZE)
    start = _offset(request.get("pageToken", ""))
    shown: dict[int, list[Record]] = defaultdict(list)
    for n, point in flat[start : start + size]:
        shown[n] += [] if point is None else [_point(series[n], point)]
    page: Record = {"timeSeries": [_record(series[n], metric) | _all(p) for n, p in shown.items()]}
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


# Filters of Cloud Monitoring: comparisons, functions, AND, OR, NOT ("Monitoring filters").

Test: TypeAlias = Callable[[Mapping[str, Any]], bool]
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\'[^\']*\'|>=|<=|!=|[=<>:(),]|-(?=\s*[\w(])|[\w./*-]+)')
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    ":": lambda found, value: value in found,
}
_FUNCTIONS: Mapping[str, Callable[[str, list[str]], bool]] = {
    "starts_with": lambda found, values: found.startswith(values[0]),
    "ends_with": lambda found, values: found.endswith(values[0]),
    "has_substring": lambda found, values: values[0] in found,
    "one_of": lambda found, values: found in values,
    "monitoring.regex.full_match": lambda found, values: bool(re.fullmatch(values[0], found)),
}
_PATH = re.compile(r"(metric|resource)\.(type|labels?\.[\w-]+)|project")


@dataclass
class Condition:
    """A filter that was read.

    Attributes
    ----------
    test : callable
        Whether ``{"metric": {"type", "labels"}, "resource": …, "project"}`` fits.
    equals : dict of str to str
        Labels that have to be equal to something, beside all other conditions.
    paths : list of str
        Everything that is looked at, ``label`` written as ``labels``.
    """

    test: Test
    equals: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)


def read(text: str) -> Condition:
    """Read a filter.

    Raises
    ------
    InvalidArgumentError
        If it cannot be read, or looks at what series do not have.
    """
    return _Reader(text).whole() if text.strip() else Condition(lambda _: True)


def invalid(text: str, words: str) -> InvalidArgumentError:
    """Return the service's error for a filter."""
    return InvalidArgumentError(f'Field filter had an invalid value of "{text}": {words}')


class _Reader:
    """Reads by recursive descent; what it finds on its way stays in `found`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self.found = Condition(lambda _: True)

    def whole(self) -> Condition:
        self.found.test = self._any(top=True)
        if self._tokens:
            raise self._unexpected()
        return self.found

    def _split(self) -> list[str]:
        tokens, at = [], 0
        while self._text[at:].strip():
            match = _TOKEN.match(self._text, at)
            if not match:
                raise invalid(self._text, f"could not be parsed at {self._text[at:].strip()!r}.")
            tokens.append(match[1])
            at = match.end()
        return tokens

    def _any(self, *, top: bool) -> Test:
        before = dict(self.found.equals)
        tests = [self._all(top=top)]
        while self._take("OR"):
            tests.append(self._all(top=False))
            self.found.equals = before  # one of two is no demand
        return tests[0] if len(tests) == 1 else lambda one: any(test(one) for test in tests)

    def _all(self, *, top: bool) -> Test:
        tests = [self._one(top=top)]
        while self._tokens and self._tokens[0] not in ("OR", ")", ","):
            self._take("AND")
            tests.append(self._one(top=top))
        return lambda one: all(test(one) for test in tests)

    def _one(self, *, top: bool) -> Test:
        if self._take("NOT") or self._take("-"):
            test = self._one(top=False)
            return lambda one: not test(one)
        if self._take("("):
            test = self._any(top=top)
            self._expect(")")
            return test
        return self._comparison(top=top)

    def _comparison(self, *, top: bool) -> Test:
        path = self._next()
        if not _PATH.fullmatch(path):
            raise invalid(self._text, f"{path!r} is not a selector of time series.")
        path = re.sub(r"\.label\.", ".labels.", path)
        sign = self._next()
        if sign not in _COMPARE:
            raise invalid(self._text, f"{sign!r} is not a comparison.")
        self.found.paths.append(path)
        name = self._next()
        if self._take("("):
            return self._function(path, sign, name)
        value = _unquoted(name)
        if sign == "=" and top:
            self.found.equals[path] = value
        compare = _COMPARE[sign]
        return lambda one: compare(_get(one, path), value)

    def _function(self, path: str, sign: str, name: str) -> Test:
        if name not in _FUNCTIONS or sign not in ("=", "!="):
            raise invalid(self._text, f"{name!r} is not a function.")
        values = [_unquoted(self._next())]
        while self._take(","):
            values.append(_unquoted(self._next()))
        self._expect(")")
        function, wanted = _FUNCTIONS[name], sign == "="
        return lambda one: function(_get(one, path), values) == wanted

    def _take(self, token: str) -> bool:
        if self._tokens[:1] == [token]:
            del self._tokens[0]
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._unexpected()

    def _next(self) -> str:
        if not self._tokens:
            raise invalid(self._text, "it ends too early.")
        return self._tokens.pop(0)

    def _unexpected(self) -> InvalidArgumentError:
        where = self._tokens[0] if self._tokens else "its end"
        return invalid(self._text, f"unexpected {where}.")


def _unquoted(token: str) -> str:
    if token.startswith('"'):
        return str(json.loads(token))
    return token.strip("'")


def _get(one: Mapping[str, Any], path: str) -> str:
    value: Any = one
    for part in path.split(".", 2):
        value = value.get(part, "")
    return str(value)
