"""Logs of model servers, in CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tridock.deploy.aws.errors import translated
from tridock.deploy.target.errors import NotFoundError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

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
            found = self.client.describe_log_streams(
                logGroupName=self.group, logStreamNamePrefix=f"{variant}/"
            )
        return [each["logStreamName"] for each in found["logStreams"]]

    def _events(self, stream: str, lines: int) -> Iterator[tuple[int, str]]:
        with translated("logs"):
            found = self.client.get_log_events(
                logGroupName=self.group, logStreamName=stream, limit=lines, startFromHead=False
            )
        return ((each["timestamp"], each["message"]) for each in found["events"])
