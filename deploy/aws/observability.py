"""Metrics of a variant's live requests, its model server's log, and captured answers.

CloudWatch keeps minutes, and shows one up to some minutes after it is over. Counted are the
minutes that began at or after the given moment. Source: "Amazon SageMaker AI metrics in
Amazon CloudWatch", developer guide.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tridock.deploy.aws.account import Account
from tridock.deploy.aws.errors import translated
from tridock.deploy.aws.store import Store
from tridock.deploy.target.errors import ConfigError, NotFoundError
from tridock.deploy.target.metrics import Answer, Metrics, predictions, with_log

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

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
    metrics = Metrics(
        requests=max(0, round(requests.total()) - own),
        errors=max(0, round(failed) - own_failed),
        latency_p95_ms=_mean(minutes[LATENCY], requests),
    )
    lines = Logs(account.logs, variant.endpoint).since(variant.name, since, "predictions")
    return with_log(metrics, lines, since)


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


# Logs of model servers, in CloudWatch Logs.

#: Of one call ("FilterLogEvents", API reference).
MOST_STREAMS = 100


@dataclass(frozen=True)
class Logs:
    """The log group of one endpoint ("Logs and Metrics", SageMaker developer guide).

    Attributes
    ----------
    client : CloudWatchLogsClient
        Of the endpoint's account and region.
    endpoint : str
        The endpoint's name.
    """

    client: CloudWatchLogsClient
    endpoint: str

    @property
    def group(self) -> str:
        """The log group's name."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"

    def tail(self, variant: str, lines: int) -> Sequence[str]:
        """Return the last lines of all a variant's instances, in the order of their time."""
        events: list[tuple[int, str]] = []
        with suppress(NotFoundError):
            for stream in self._streams(variant):
                events += self._events(stream, lines)
        return [text.rstrip("\n") for _, text in sorted(events, key=lambda one: one[0])][-lines:]

    def since(self, variant: str, moment: datetime, term: str) -> Iterator[str]:
        """Yield the lines with a term that were written at a moment or later."""
        streams, start = [], int(moment.timestamp() * 1000)
        with suppress(NotFoundError):
            streams = self._streams(variant)
        pages = self.client.get_paginator("filter_log_events")
        for first in range(0, len(streams), MOST_STREAMS):
            with translated("logs"):
                for page in pages.paginate(
                    logGroupName=self.group,
                    logStreamNames=streams[first : first + MOST_STREAMS],
                    startTime=start,
                    filterPattern=term,
                ):
                    yield from (each["message"] for each in page["events"])

    def _streams(self, variant: str) -> list[str]:
        with translated("logs"):
            response = self.client.describe_log_streams(
                logGroupName=self.group, logStreamNamePrefix=f"{variant}/"
            )
        return [each["logStreamName"] for each in response["logStreams"]]

    def _events(self, stream: str, lines: int) -> Iterator[tuple[int, str]]:
        with translated("logs"):
            response = self.client.get_log_events(
                logGroupName=self.group, logStreamName=stream, limit=lines, startFromHead=False
            )
        return ((each["timestamp"], each["message"]) for each in response["events"])


# Answers that SageMaker's data capture keeps as JSON lines in the artifacts' bucket.

FOLDER = "capture/"
#: Kept as they are; what is of another type comes in base64.
JSON_TYPES = ["application/json"]
#: A file is written some time after the first request in it.
LATE = timedelta(hours=1)


def capture_percent(setting: str) -> int | None:
    """Return the percent of answers to keep; None for as many as an endpoint keeps by now.

    Raises
    ------
    ConfigError
        If it is none.
    """
    if not setting:
        return None
    if not setting.isdecimal() or int(setting) > 100:
        raise ConfigError(f"aws.capture is {setting!r}: give a whole percent from 0 to 100")
    return int(setting)


def capture_config(bucket: str, percent: int | None) -> Mapping[str, Any] | None:
    """Return what an endpoint's configuration says of it: nothing where nothing is kept.

    None leaves it as it is.

    Requests stay out: they are not needed here, and may be personal.
    """
    if not percent:
        return None if percent is None else {}
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": percent,
        "DestinationS3Uri": f"s3://{bucket}/{FOLDER.rstrip('/')}",
        "CaptureOptions": [{"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": JSON_TYPES},
    }


def captured(store: Store, endpoint: str, variant: str, since: datetime) -> list[Answer]:
    """Return what was kept of a variant's answers since a moment, oldest first.

    Those alone that have the ``InferenceId`` of their request and bear predictions. Their times are
    whole seconds; milliseconds are not kept, nor what the model failed to answer.
    """
    folder = f"{FOLDER}{endpoint}/{variant}/"
    moment = since.replace(microsecond=0)
    dated = []
    for key in _keys(store, folder, since):
        for line in _lines(store, key):
            event = line["eventMetadata"]
            when = datetime.fromisoformat(event["inferenceTime"])
            said = _predictions(line)
            if when >= moment and said and "inferenceId" in event:
                dated.append((when, Answer(event["inferenceId"], said, None)))
    return [answer for _, answer in sorted(dated, key=lambda one: one[0])]


def _keys(store: Store, folder: str, since: datetime) -> Iterator[str]:
    """Yield the files that may have something since a moment: their folders are named by hours."""
    first = f"{folder}{since.astimezone(UTC) - LATE:%Y/%m/%d/%H}"
    pages = store.s3.get_paginator("list_objects_v2")
    with suppress(NotFoundError), translated("s3"):
        for page in pages.paginate(Bucket=store.bucket, Prefix=folder, StartAfter=first):
            yield from (item["Key"] for item in page.get("Contents", ()))


def _lines(store: Store, key: str) -> Iterator[dict[str, Any]]:
    with translated("s3"):
        body = store.s3.get_object(Bucket=store.bucket, Key=key)["Body"].read()
    for line in body.splitlines():
        with suppress(ValueError):
            record = json.loads(line)
            if "captureData" in record and "eventMetadata" in record:
                yield record


def _predictions(line: Mapping[str, Any]) -> tuple[Any, ...]:
    answer = line["captureData"].get("endpointOutput") or {}
    said = str(answer.get("data", ""))
    return predictions(
        base64.b64decode(said) if answer.get("encoding") == "BASE64" else said.encode()
    )
