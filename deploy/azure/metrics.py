"""Azure Monitor: what was measured of a deployment's live requests.

The service keeps minutes, and shows one some minutes after it is over. Counted are the minutes that
began at or after the given moment. Source: Azure Monitor REST API, "Metrics - List";
"Supported metrics" for names and dimensions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from tridock.deploy.azure.account import Account
from tridock.deploy.target.metrics import Metrics, Own

VERSION = "2023-10-01"

#: Combinations of statuses in one answer at most; ten by default.
SERIES = "500"

#: Time of one query: minutes of all statuses are many.
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

#: Statuses with which Azure ML answers for a model ("Troubleshoot online endpoints deployment and
#: scoring"): it did not in its time, and it did with no success.
LATE, FAILED = "408", "424"


@dataclass(frozen=True)
class Meter:
    """One metric of one resource.

    Attributes
    ----------
    resource : str
        Its id.
    name, aggregation : str
        E.g. ``"RequestsPerMinute"`` and ``"Average"``.
    where : str
        Filter, which splits by what it names; empty for all in one.
    """

    resource: str
    name: str
    aggregation: str
    where: str = ""


@dataclass(frozen=True)
class Point:
    """One minute of one series; names of dimensions in lower case."""

    start: datetime
    value: float | None
    dimensions: Mapping[str, str]


@dataclass(frozen=True)
class Measured:
    """Deployment whose live requests are read.

    Attributes
    ----------
    endpoint, deployment : str
        Their names.
    own : Own
        Requests that this process sent to single deployments.
    """

    endpoint: str
    deployment: str
    own: Own


def of_endpoint(account: Account, whose: Measured, since: datetime) -> Metrics:
    """Return what was measured of an Azure ML deployment, without our own requests.

    Azure Monitor does not tell who named a deployment: what this process sent is taken off by its
    number, and its latencies are in what is returned. The 95th percentile is the mean of those of
    the minutes, each by its requests.
    """
    place = f"{account.path}/onlineEndpoints/{whose.endpoint}"
    there = f"{place}/deployments/{whose.deployment}"
    named = f"deployment eq '{whose.deployment}' and statusCode eq '*' and modelStatusCode eq '*'"
    by_code = "envoy_response_code eq '*'"
    counted = _points(account, Meter(place, "RequestsPerMinute", "Average", named), since)
    if not any(one.value for one in counted):  # a copy is no request to the endpoint
        counted = _points(account, Meter(there, "RequestsPerMinute", "Average", by_code), since)
    late = _points(account, Meter(there, "RequestLatency_P95", "Average"), since)
    return _found(counted, late, whose)


def of_app(account: Account, whose: Measured, revision: str, since: datetime) -> Metrics:
    """Return what was measured of a revision, without our own requests, and without latencies.

    Container Apps has response times of whole apps only, and no percentiles.
    """
    group = f"/subscriptions/{account.subscription}/resourceGroups/{account.group}"
    app = f"{group}/providers/Microsoft.App/containerApps/{whose.endpoint}"
    where = f"revisionName eq '{revision}' and statusCode eq '*'"
    return _found(_points(account, Meter(app, "Requests", "Total", where), since), (), whose)


def _found(counted: Sequence[Point], late: Sequence[Point], whose: Measured) -> Metrics:
    counts: Counter[datetime] = Counter()
    for one in counted:
        counts[one.start] += round(one.value or 0)
    if not counts.total():
        return Metrics()
    seen = [start for start in counts if counts[start]]
    until = max(seen) + _length(counts)
    key = (whose.endpoint, whose.deployment)
    own, failed = whose.own.between(key, min(counts), until)
    errors = sum(round(one.value or 0) for one in counted if is_failure(one.dimensions))
    return Metrics(
        requests=max(0, counts.total() - own),
        errors=max(0, errors - failed),
        latency_p95_ms=_mean(late, counts),
    )


def _mean(late: Sequence[Point], counts: Mapping[datetime, int]) -> float | None:
    """Return the mean of the minutes' values, each by its requests."""
    values = [(one.value, counts.get(one.start, 0)) for one in late if one.value is not None]
    whole = sum(count for _, count in values)
    return sum(value * count for value, count in values) / whole if whole else None


def is_failure(dimensions: Mapping[str, str]) -> bool:
    """Tell whether a deployment failed its requests: 5xx, or no answer."""
    status = dimensions.get("statuscode") or dimensions.get("envoy_response_code", "")
    if status == LATE:
        return True
    values = dimensions.get("modelstatuscode", "") if status == FAILED else status
    return not values.isdecimal() or int(values) >= 500 or not int(values)


def _length(starts: Mapping[datetime, int]) -> timedelta:
    """Return how long a minute is: an emulated service's may be shorter."""
    return min((after - before for before, after in pairwise(sorted(starts))), default=MINUTE)


def _points(account: Account, meter: Meter, since: datetime) -> list[Point]:
    """Return the minutes that began at or after `since`, empty ones among them."""
    now = datetime.now(UTC)
    points: list[Point] = []
    while since < now:
        until = min(since + DAY, now)
        points += (one for one in _asked(account, meter, since, until) if one.start >= since)
        since = until
    return points


def _asked(account: Account, meter: Meter, since: datetime, until: datetime) -> Iterator[Point]:
    query = {
        "metricnames": meter.name,
        "aggregation": meter.aggregation,
        "interval": "PT1M",
        "timespan": f"{_stamp(since)}/{_stamp(until)}",
        **({"$filter": meter.where, "top": SERIES} if meter.where else {}),
    }
    values = account.measured(meter.resource, {"api-version": VERSION, **query})
    for series in (one for metric in values["value"] for one in metric.get("timeseries", ())):
        labels = {_name(one): str(one["value"]) for one in series.get("metadatavalues", ())}
        for point in series["data"]:
            start = datetime.fromisoformat(point["timeStamp"])
            yield Point(start, point.get(meter.aggregation.lower()), labels)


def _name(values: Mapping[str, Any]) -> str:
    return str(values["name"]["value"]).lower()


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
