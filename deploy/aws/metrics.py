"""CloudWatch: metrics of a variant's live requests, and of its model server's log.

The service keeps minutes, and shows one up to some minutes after it is over. Counted are the
minutes that began at or after the given moment. Source: "Amazon SageMaker AI metrics in
Amazon CloudWatch", developer guide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tridock.deploy.aws.account import Account
from tridock.deploy.aws.errors import translated
from tridock.deploy.aws.logs import Logs
from tridock.deploy.target.metrics import Metrics, with_log

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

MINUTE = timedelta(minutes=1)
REQUESTS, REFUSED = "Invocations", "Invocation4XXErrors"
#: What was no success, refusals and requests without an answer among them; and 5xx alone.
MISSED, FAILED = "InvocationModelErrors", "Invocation5XXErrors"
LATENCY = "ModelLatency"
STATISTICS = {REQUESTS: "Sum", REFUSED: "Sum", MISSED: "Sum", FAILED: "Sum", LATENCY: "p95"}


@dataclass(frozen=True)
class Variant:
    """Deployment whose live requests are read."""

    endpoint: str
    name: str


def of_variant(account: Account, variant: Variant, since: datetime) -> Metrics:
    """Return what was measured of a variant, without our own requests.

    CloudWatch does not know who called a variant by its name: what this process sent is taken
    off by its number, and is in the latencies and in the model server's log. The 95th
    percentile is the mean of those of the minutes, each by its requests.
    """
    minutes = _minutes(account, variant, since)
    requests = Counter({when: value for when, value in minutes[REQUESTS].items() if value})
    if not requests:
        return Metrics()
    counted = min(requests), max(requests) + MINUTE
    own, own_failed = account.own.between((variant.endpoint, variant.name), *counted)
    failed = max(_sum(minutes[FAILED]), _sum(minutes[MISSED]) - _sum(minutes[REFUSED]))
    found = Metrics(
        requests=max(0, round(requests.total()) - own),
        errors=max(0, round(failed) - own_failed),
        latency_p95_ms=_mean(minutes[LATENCY], requests),
    )
    lines = Logs(account.logs, variant.endpoint).since(variant.name, since, "predictions")
    return with_log(found, lines, since)


def _minutes(
    account: Account, variant: Variant, since: datetime
) -> Mapping[str, Mapping[datetime, float]]:
    """Return each metric by the minutes that began at or after `since`."""
    minutes: dict[str, dict[datetime, float]] = {name: {} for name in STATISTICS}
    for result in _results(account, variant, since):
        name = list(STATISTICS)[int(result["Id"].removeprefix("m"))]
        for when, value in zip(result["Timestamps"], result["Values"], strict=True):
            if when >= since:  # the service rounds the start down
                minutes[name][when] = value
    return minutes


def _results(account: Account, variant: Variant, since: datetime) -> Iterator[Any]:
    queries = [
        _query(f"m{index}", variant, name, statistic)
        for index, (name, statistic) in enumerate(STATISTICS.items())
    ]
    end = max(since, datetime.now(UTC)) + MINUTE
    pages = account.cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=since, EndTime=end
    )
    with translated("cloudwatch"):
        for page in pages:
            yield from page["MetricDataResults"]


def _query(number: str, variant: Variant, name: str, statistic: str) -> MetricDataQueryTypeDef:
    dimensions = {"EndpointName": variant.endpoint, "VariantName": variant.name}
    return {
        "Id": number,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/SageMaker",
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": 60,
            "Stat": statistic,
        },
    }


def _sum(minutes: Mapping[datetime, float]) -> float:
    return sum(minutes.values())


def _mean(latencies: Mapping[datetime, float], requests: Mapping[datetime, float]) -> float | None:
    """Return milliseconds, from the minutes' microseconds."""
    whole = sum(requests.get(when, 0.0) for when in latencies)
    weighed = sum(value * requests.get(when, 0.0) for when, value in latencies.items())
    return weighed / whole / 1000 if whole else None
