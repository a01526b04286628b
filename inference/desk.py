"""What every route of one model server shares."""

from __future__ import annotations

from dataclasses import dataclass, field

from inference.lifecycle import Lifecycle
from inference.monitor import Metrics
from inference.pool import Pool
from inference.settings import Settings


@dataclass(frozen=True)
class Desk:
    """The state of one app.

    Attributes
    ----------
    settings : Settings
        How it is set up.
    lifecycle : Lifecycle
        Whether it is ready.
    pool : Pool
        Where predictions run.
    metrics : Metrics
        What is counted.
    """

    settings: Settings
    lifecycle: Lifecycle
    pool: Pool
    metrics: Metrics = field(default_factory=Metrics)

    @classmethod
    def of(cls, settings: Settings, lifecycle: Lifecycle) -> Desk:
        """Set one up."""
        pool = Pool(settings.workers, queue=settings.queue, patience=settings.patience)
        return cls(settings, lifecycle, pool)
