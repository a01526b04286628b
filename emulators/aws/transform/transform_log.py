"""Logs and metrics of a transform job in CloudWatch: container output, data log, utilization."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.exceptions import LogsClientError
from moto.logs.models import logs_backends

from tridock.emulators.fleet import Server

#: Amazon SageMaker Developer Guide, "Log groups and streams that Amazon SageMaker generates".
GROUP = "/aws/sagemaker/TransformJobs"

#: Amazon SageMaker Developer Guide, "SageMaker jobs and endpoint metrics".
NAMESPACE = "/aws/sagemaker/TransformJobs"


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


@dataclass(frozen=True)
class Gauge:
    """A model server's use of this machine, since it was started.

    Attributes
    ----------
    pid : int or None
        Its process; None where it has none of ours.
    began : float
        When it was started, by the monotonic clock.
    """

    pid: int | None
    began: float

    @classmethod
    def of(cls, server: Server) -> Gauge:
        """Begin to measure `server`."""
        process = getattr(server, "process", None)
        return cls(process.pid if process else None, time.monotonic())

    def publish(self, account: str, region: str, host: str) -> None:
        """Publish the use so far; nothing where this machine has no ``/proc``.

        Parameters
        ----------
        host : str
            ``<job>/<instance>``, the dimension of the service's own metrics.
        """
        used = self._percent()
        data = [
            {
                "MetricName": name,
                "Value": value,
                "Unit": "Percent",
                "Dimensions": [{"Name": "Host", "Value": host}],
            }
            for name, value in used.items()
        ]
        cloudwatch_backends[account][region].put_metric_data(NAMESPACE, data)

    def _percent(self) -> dict[str, float]:
        """Return CPU (100 is one core) and memory (100 is all of it) as ``/proc`` counts them."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except OSError:
            return {}
        ticks = int(stat[11]) + int(stat[12])  # utime and stime: proc(5), fields 14 and 15
        seconds = ticks / os.sysconf("SC_CLK_TCK")
        return {
            "CPUUtilization": 100 * seconds / max(time.monotonic() - self.began, 1e-3),
            "MemoryUtilization": 100 * pages / os.sysconf("SC_PHYS_PAGES"),
        }
