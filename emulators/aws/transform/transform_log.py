"""What a transform job leaves in CloudWatch Logs: the container's output and the data log."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from moto.logs.exceptions import LogsClientError
from moto.logs.models import logs_backends

#: Amazon SageMaker Developer Guide, "Log groups and streams that Amazon SageMaker generates".
GROUP = "/aws/sagemaker/TransformJobs"


@dataclass(frozen=True)
class JobLog:
    """The two log streams of one instance of a job.

    Attributes
    ----------
    account, region : str
        Whose logs.
    stream : str
        ``<job>/<instance>``; the data log is ``<job>/<instance>/data-log``.
    """

    account: str
    region: str
    stream: str

    def say(self, text: str) -> None:
        """Add one line to the data log, as the service words them."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        self._put(f"{self.stream}/data-log", [f"{now}:[sagemaker logs]: {text}"])

    def container(self, path: Path) -> None:
        """Add the container's whole output."""
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        self._put(self.stream, [line for line in lines if line])

    def _put(self, stream: str, lines: list[str]) -> None:
        backend = logs_backends[self.account][self.region]
        with suppress(LogsClientError):
            backend.create_log_group(GROUP, {})
        with suppress(LogsClientError):
            backend.create_log_stream(GROUP, stream)
        now = int(time.time() * 1000)
        if lines:
            events = [{"timestamp": now, "message": line} for line in lines]
            backend.put_log_events(GROUP, stream, events)
