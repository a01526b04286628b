"""Objects that all routes of one model server share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from tridock.inference.monitoring.metrics import Metrics, RequestLog, Watch
from tridock.inference.monitoring.summary_log import SummaryLog
from tridock.inference.scheduling.batcher import Batcher
from tridock.inference.scheduling.thread_pool import Pool
from tridock.inference.settings import Settings
from tridock.inference.web.lifecycle import Lifecycle


@dataclass(frozen=True)
class AppState:
    """The state of one app.

    Attributes
    ----------
    settings : Settings
        How it is set up.
    lifecycle : Lifecycle
        Whether it is ready.
    batcher : Batcher
        Where requests of few rows are predicted.
    pool : Pool
        Where scripts run, and requests of many rows.
    metrics : Metrics
        What is counted.
    watch : Watch
        Sees each request.
    summary_log : SummaryLog
        Writes now and then what the model answered.
    """

    settings: Settings
    lifecycle: Lifecycle
    batcher: Batcher
    pool: Pool
    metrics: Metrics
    watch: Watch
    summary_log: SummaryLog

    @classmethod
    def of(
        cls,
        settings: Settings,
        lifecycle: Lifecycle,
        *,
        metrics: Metrics | None = None,
        log: BinaryIO | None = None,
    ) -> AppState:
        """Set one up."""
        metrics = metrics or Metrics()
        threads = max(1, settings.workers // settings.processes)
        lines = RequestLog(log)
        return cls(
            settings,
            lifecycle,
            Batcher(queue=settings.queue, patience=settings.patience),
            Pool(threads, queue=settings.queue, patience=settings.patience),
            metrics,
            Watch(metrics, lines),
            SummaryLog(lifecycle.counted, lines.add, seconds=settings.interval),
        )

    def retry_after(self) -> int:
        """Return whole seconds after which a refused caller may try again."""
        return max(self.pool.retry_after(), self.batcher.retry_after())
