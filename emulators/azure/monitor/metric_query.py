"""Query for metrics: names, times, intervals, aggregations, a filter.

Source: Azure Monitor REST API, "Metrics - List", URI parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from tridock.emulators.azure.core.measurements import Sample, merged
from tridock.emulators.azure.http import errors
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.monitor import metric_filter
from tridock.emulators.azure.monitor.metric_filter import Filter

#: Intervals that metrics have, in minutes.
GRAINS = {
    "PT1M": 1,
    "PT5M": 5,
    "PT15M": 15,
    "PT30M": 30,
    "PT1H": 60,
    "PT6H": 360,
    "PT12H": 720,
    "P1D": 1440,
}
SPANS = "00:01:00,00:05:00,00:15:00,00:30:00,01:00:00,06:00:00,12:00:00,1.00:00:00"
AGGREGATIONS = ("average", "count", "maximum", "minimum", "total")

#: Names in one request ("Metrics - List", metricnames).
MOST_NAMES = 20

#: Seconds back where no time is given.
HOUR = 3600.0


@dataclass(frozen=True)
class Query:
    """A request for metrics, read.

    Attributes
    ----------
    names : tuple of str
        Metrics; empty for all.
    start, end : float
        Seconds since 1970.
    grain : str
        The interval as the service writes it.
    width : int
        The interval in minutes of the service.
    minute : float
        Real seconds of such a minute.
    over : int
        Number of the first minute that is not over.
    aggregations : tuple of str
        In lower case; empty for each metric's own.
    filter : Filter
        Which series.
    top : int
        How many series at most; 0 where nothing is said.
    metadata_only : bool
        Whether only the series' names are wanted.
    """

    names: tuple[str, ...]
    start: float
    end: float
    grain: str
    width: int
    minute: float
    over: int
    aggregations: tuple[str, ...]
    filter: Filter
    top: int
    metadata_only: bool

    @classmethod
    def read(cls, query: Mapping[str, str], *, now: float, minute: float) -> Query:
        """Read the parameters, names in lower case.

        Raises
        ------
        AzureError
            400 if the service would not take them.
        """
        start, end = _timespan(query.get("timespan"), now)
        grain = _grain(query.get("interval"))
        return cls(
            names=_names(query.get("metricnames", "")),
            start=start,
            end=end,
            grain=grain,
            width=GRAINS[grain],
            minute=minute,
            over=math.floor(now / minute),
            aggregations=_aggregations(query.get("aggregation", "")),
            filter=metric_filter.read(query.get("$filter", "")),
            top=_top(query.get("top") or query.get("$top") or "0"),
            metadata_only=query.get("resulttype", "").lower() == "metadata",
        )

    @property
    def intervals(self) -> range:
        """The numbers of the wanted intervals: the first holds the start.

        A minute is shown once it is over.
        """
        length = self.width * self.minute
        first, end = math.floor(self.start / length), math.ceil(self.end / length)
        return range(first, min(end, math.ceil(self.over / self.width)))

    @property
    def minutes(self) -> tuple[int, int]:
        """The numbers of the first minute, and of the first one after the last."""
        intervals = self.intervals
        return intervals.start * self.width, min(intervals.stop * self.width, self.over)

    def time(self, number: int) -> float:
        """Return when an interval begins, in seconds since 1970."""
        return number * self.width * self.minute


def _names(text: str) -> tuple[str, ...]:
    names = tuple(unquote(name.strip()) for name in text.split(",") if name.strip())
    if len(names) > MOST_NAMES:
        raise _refusal(f"At most {MOST_NAMES} metric names in one request, not {len(names)}")
    return names


def _timespan(text: str | None, now: float) -> tuple[float, float]:
    """Return start and end, in real seconds; either may be a duration, or one duration is all."""
    if not text:
        return now - HOUR, now
    begin, slash, end = text.partition("/")
    try:
        if not slash:
            return now - errors.seconds(begin, 0.0), now
        if begin.startswith("P"):
            return _moment(end) - errors.seconds(begin, 0.0), _moment(end)
        start = _moment(begin)
        stop = start + errors.seconds(end, 0.0) if end.startswith("P") else _moment(end)
    except ValueError as error:
        raise _refusal(f"Invalid timespan '{text}': {error}") from error
    if stop < start:
        raise _refusal(f"Invalid timespan '{text}': the end time is before the start time")
    return start, stop


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text.replace(" ", "+"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _grain(text: str | None) -> str:
    try:
        minutes = errors.seconds(text or "PT1M", 0.0) / 60
    except ValueError as error:
        raise _refusal(f"Invalid interval: {error}") from error
    for grain, width in GRAINS.items():
        if width == minutes:
            return grain
    raise _refusal(f"Invalid time grain duration: {text}, supported ones are: {SPANS}")


def _top(text: str) -> int:
    if not text.isdecimal():
        raise _refusal(f"Invalid top: {text}")
    return int(text)


def _aggregations(text: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    unknown = sorted(set(names) - set(AGGREGATIONS))
    if unknown:
        raise _refusal(f"Invalid aggregation: {unknown[0]}, valid are {','.join(AGGREGATIONS)}")
    return names


def _refusal(message: str) -> AzureError:
    return AzureError(400, "BadRequest", message)


# The metrics that Azure Monitor has of what is emulated: names, units, dimensions.

ENDPOINTS = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
DEPLOYMENTS = f"{ENDPOINTS}/deployments"
APPS = "Microsoft.App/containerapps"

#: Samples of one interval, in the order of their minutes: each is one series in one minute.
Reading = Callable[[Sequence[Sample]], Mapping[str, float]]


@dataclass(frozen=True)
class Metric:
    """One metric of a resource type.

    Attributes
    ----------
    name, title, about : str
        In the REST API; in the portal; what it says.
    unit : str
        E.g. ``"Count"``.
    dimensions : tuple of str
        By which it can be filtered and split.
    read : callable
        Makes the values of an interval, by aggregation.
    aggregations : tuple of str
        That it has; the first is the one taken when none is named.
    """

    name: str
    title: str
    about: str
    unit: str
    dimensions: tuple[str, ...]
    read: Reading
    aggregations: tuple[str, ...] = ("Average",)


def _counted(samples: Sequence[Sample]) -> Mapping[str, float]:
    """Each sample is one value: the requests of a series in a minute."""
    counts = [sample.count for sample in samples]
    return {
        "total": sum(counts),
        "average": sum(counts) / len(counts),
        "minimum": min(counts),
        "maximum": max(counts),
        "count": len(counts),
    }


def _timed(samples: Sequence[Sample]) -> Mapping[str, float]:
    """Each request is one value: its milliseconds."""
    whole = merged(samples)
    return {
        "total": whole.total,
        "average": whole.total / whole.count,
        "minimum": whole.least,
        "maximum": whole.most,
        "count": whole.count,
    }


def _percentile(percent: float) -> Reading:
    return lambda samples: {"average": merged(samples).percentile(percent)}


def _latencies(dimensions: tuple[str, ...]) -> tuple[Metric, ...]:
    return tuple(
        Metric(
            f"RequestLatency_P{percent}",
            f"Request Latency P{percent}",
            f"The average P{percent} request latency over the selected time period",
            "MilliSeconds",
            dimensions,
            _percentile(percent),
        )
        for percent in (50, 90, 95, 99)
    )


_LATENCY = Metric(
    "RequestLatency",
    "Request Latency",
    "The average complete interval of time taken for a request to be responded in milliseconds",
    "MilliSeconds",
    ("deployment",),
    _timed,
)
_ENDPOINT = Metric(
    "RequestsPerMinute",
    "Requests Per Minute",
    "The number of requests sent to online endpoint within a minute",
    "Count",
    ("deployment", "statusCode", "statusCodeClass", "modelStatusCode"),
    _counted,
)
_DEPLOYMENT = Metric(
    "RequestsPerMinute",
    "Requests Per Minute",
    "The number of requests sent to online deployment within a minute",
    "Count",
    ("envoy_response_code",),
    _counted,
)
_ALL = ("Average", "Minimum", "Maximum")
_REQUESTS = Metric(
    "Requests",
    "Requests",
    "Requests processed",
    "Count",
    ("revisionName", "podName", "statusCodeCategory", "statusCode"),
    _counted,
    ("Total", *_ALL),
)
_RESPONSE = Metric(
    "ResponseTime",
    "Average Response Time (Preview)",
    "Average Response Time per Status Code",
    "MilliSeconds",
    ("statusCodeCategory", "statusCode"),
    _timed,
    ("Average", "Total", "Maximum", "Minimum"),
)

#: By resource type in lower case: its name as Azure Monitor writes it, and its metrics.
METRICS: Mapping[str, tuple[str, tuple[Metric, ...]]] = {
    name.lower(): (name, metrics)
    for name, metrics in (
        (ENDPOINTS, (_LATENCY, *_latencies(("deployment",)), _ENDPOINT)),
        (DEPLOYMENTS, (*_latencies(()), _DEPLOYMENT)),
        (APPS, (_REQUESTS, _RESPONSE)),
    )
}
