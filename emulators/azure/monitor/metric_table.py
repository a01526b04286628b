"""The metrics that Azure Monitor has of what is emulated: names, units, dimensions.

Source: Azure Monitor documentation, "Supported metrics", of the three resource types; those that
are not measured here are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tridock.emulators.azure.core.measurements import Sample, merged

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
    counts = [one.count for one in samples]
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
