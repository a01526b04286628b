"""Metrics of a deployment's live requests, and its model server's log.

Cloud Monitoring keeps minutes, and shows one some two or three minutes after it is over. Counted
are the minutes that began at or after the given moment.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from tridock.deploy.gcp.account import TIMEOUT_SECONDS, Account
from tridock.deploy.gcp.errors import of_answer, translated
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.metrics import Metrics, with_log

OPERATION = "monitoring:ListTimeSeries"
HOST = "https://monitoring.googleapis.com"
_ONLINE = "aiplatform.googleapis.com/prediction/online"


@dataclass(frozen=True)
class Meter:
    """Metrics of a service and the labels of its deployments ("Google Cloud metrics").

    Attributes
    ----------
    answers, latencies : str
        Types of the metrics.
    status : str
        Label of `answers` that begins with the status' first digit.
    total : Mapping of str to str
        Labels that `latencies` shall have.
    """

    answers: str
    latencies: str
    status: str
    total: Mapping[str, str]


VERTEX = Meter(
    f"{_ONLINE}/response_count",
    f"{_ONLINE}/prediction_latencies",
    "response_code",
    {"metric.labels.latency_type": "total"},
)
RUN = Meter(
    "run.googleapis.com/request_count",
    "run.googleapis.com/request_latencies",
    "response_code_class",
    {},
)


@dataclass(frozen=True)
class Measured:
    """Deployment whose live requests are read.

    Attributes
    ----------
    meter : Meter
        Of the service.
    labels : Mapping of str to str
        That the deployment's series have, e.g. ``{"resource.labels.service_name": …}``.
    lines : Mapping of str to str
        Fields that the deployment's log entries have.
    key : tuple of (str, str)
        The endpoint's and the deployment's name: whose own requests are left out.
    """

    meter: Meter
    labels: Mapping[str, str]
    lines: Mapping[str, str]
    key: tuple[str, str]


def metrics(account: Account, measured: Measured, since: datetime) -> Metrics:
    """Return what was measured since a moment, without the requests of `Account.own`.

    Those are distinguished by their number alone: their latencies, and their predictions in the
    model server's log, are in what is returned. It is all zeros if nothing is shown yet.
    """
    answers = list(_points(account, measured.meter.answers, measured.labels, since))
    if not answers:
        return Metrics()
    shown = min(point.start for point in answers), max(point.end for point in answers)
    own, failed = account.own.between(measured.key, *shown)
    wanted = {**measured.labels, **measured.meter.total}
    latencies = _points(account, measured.meter.latencies, wanted, since)
    spread = Buckets.of([point.value["distributionValue"] for point in latencies])
    errors = [point for point in answers if point.labels[measured.meter.status].startswith("5")]
    counted = Metrics(
        requests=max(0, _sum(answers) - own),
        errors=max(0, _sum(errors) - failed),
        latency_p95_ms=spread.percentile(0.95),
    )
    return with_log(counted, events(account, measured.lines, since, event="predictions"), since)


@dataclass(frozen=True)
class _Point:
    """One minute of one time series."""

    labels: Mapping[str, str]
    start: datetime
    end: datetime
    value: Mapping[str, Any]


def _points(
    account: Account, metric: str, labels: Mapping[str, str], since: datetime
) -> Iterator[_Point]:
    """Yield the minutes that began at or after `since`."""
    for series in _series(account, {"metric.type": metric, **labels}, since):
        for point in series.get("points", ()):
            start, end = (_time(point["interval"][name]) for name in ("startTime", "endTime"))
            if start >= since:
                yield _Point(series["metric"].get("labels", {}), start, end, point["value"])


def _series(account: Account, wanted: Mapping[str, str], since: datetime) -> Iterator[Any]:
    """Yield every series with the `wanted` labels, page by page; none of an unknown metric."""
    now = datetime.now(UTC)
    if since >= now:
        return
    request = {
        "filter": " AND ".join(f'{key} = "{value}"' for key, value in wanted.items()),
        "interval.startTime": since.astimezone(UTC).isoformat(),
        "interval.endTime": now.isoformat(),
    }
    with suppress(NotFoundError):  # a metric is not known before it was first measured
        while True:
            page = _page(account, request)
            yield from page.get("timeSeries", ())
            if not page.get("nextPageToken"):
                return
            request["pageToken"] = page["nextPageToken"]


def _page(account: Account, request: Mapping[str, str]) -> Any:
    url = f"{HOST}/v3/projects/{account.project}/timeSeries"
    with translated(OPERATION):
        answer = account.session.get(url, params=request, timeout=TIMEOUT_SECONDS)
    if answer.status_code != 200:
        raise of_answer(answer, operation=OPERATION)
    return answer.json()


def _sum(points: Sequence[_Point]) -> int:
    return sum(int(point.value["int64Value"]) for point in points)


def _time(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


# Distributions of Cloud Monitoring (google/api/distribution.proto).


@dataclass(frozen=True)
class Buckets:
    """Number of values between a lower and an upper bound.

    Attributes
    ----------
    counts : Mapping of (float, float) to int
        By bounds; the first bucket begins at zero, the last has no end.
    """

    counts: Mapping[tuple[float, float], int] = field(default_factory=dict)

    @classmethod
    def of(cls, distributions: Iterable[Mapping[str, Any]]) -> Buckets:
        """Return several distributions of values above zero as one."""
        counts: Counter[tuple[float, float]] = Counter()
        for distribution in distributions:
            bounds = [0.0, *_bounds(distribution.get("bucketOptions", {})), math.inf]
            for bucket, count in zip(
                pairwise(bounds), distribution.get("bucketCounts", ()), strict=False
            ):
                counts[bucket] += int(count)
        return cls({bucket: count for bucket, count in counts.items() if count})

    def percentile(self, share: float) -> float | None:
        """Return the value below which `share` of them are, linear within its bucket.

        So Cloud Monitoring's own percentiles are; the error is at most the bucket's width. None
        of nothing.
        """
        wanted, seen = share * sum(self.counts.values()), 0
        for (low, high), count in sorted(self.counts.items()):
            if seen + count >= wanted:
                part = (wanted - seen) / count
                return low if math.isinf(high) else low + (high - low) * part
            seen += count
        return None


def _bounds(options: Mapping[str, Any]) -> Iterator[float]:
    """Yield the bounds between the first bucket and the last."""
    if "exponentialBuckets" in options:
        buckets = options["exponentialBuckets"]
        for n in range(int(buckets["numFiniteBuckets"]) + 1):
            yield float(buckets["scale"]) * float(buckets["growthFactor"]) ** n
    elif "linearBuckets" in options:
        buckets = options["linearBuckets"]
        for n in range(int(buckets["numFiniteBuckets"]) + 1):
            yield float(buckets.get("offset", 0)) + float(buckets["width"]) * n
    else:
        yield from map(float, options.get("explicitBuckets", {}).get("bounds", ()))


# Cloud Logging: lines that a model server wrote.

LIST_ENTRIES = "logging:ListLogEntries"
URL = "https://logging.googleapis.com/v2/entries:list"
#: Entries of one answer; the service gives 1000 at most.
PAGE = 1000


def last(account: Account, wanted: Mapping[str, str], *, lines: int) -> Sequence[str]:
    """Return the last `lines` lines of the entries whose fields are `wanted`, oldest first."""
    page = _entries(account, _filter(wanted), {"orderBy": "timestamp desc", "pageSize": lines})
    return tuple(_text(entry) for entry in reversed(page.get("entries", ())))[-lines:]


def events(
    account: Account, wanted: Mapping[str, str], since: datetime, *, event: str
) -> Iterator[str]:
    """Yield the structured lines of one `event` since a moment as JSON, in no certain order."""
    stamp = since.astimezone(UTC).isoformat()
    text = f'{_filter({**wanted, "jsonPayload.event": event})} AND timestamp>="{stamp}"'
    more: dict[str, Any] = {"pageSize": PAGE}
    while True:
        page = _entries(account, text, more)
        for entry in page.get("entries", ()):
            # Logging agents take the time out of the line ("Structured logging").
            yield json.dumps({"time": entry.get("timestamp"), **entry["jsonPayload"]})
        if not page.get("nextPageToken"):
            return
        more["pageToken"] = page["nextPageToken"]


def _filter(wanted: Mapping[str, str]) -> str:
    return " AND ".join(f'{key}="{value}"' for key, value in wanted.items())


def _entries(account: Account, text: str, more: Mapping[str, Any]) -> Any:
    request = {"resourceNames": [f"projects/{account.project}"], "filter": text, **more}
    with translated(LIST_ENTRIES):
        answer = account.session.post(URL, json=request, timeout=TIMEOUT_SECONDS)
    if answer.status_code != 200:
        raise of_answer(answer, operation=LIST_ENTRIES)
    return answer.json()


def _text(entry: Mapping[str, Any]) -> str:
    payload = entry.get("jsonPayload", {})
    return str(entry.get("textPayload") or payload.get("message") or payload)
