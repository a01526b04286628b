"""What model servers wrote, in CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.aws.errors import translated
from deploy.errors import NotFoundError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient


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
