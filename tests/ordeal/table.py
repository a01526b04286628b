"""The ordeal's result: a row for each target and strategy."""

from __future__ import annotations

from dataclasses import dataclass

from tests.ordeal.blows import KILLS
from tests.ordeal.trial import Result

HEADS = (
    "target",
    "strategy",
    "calls",
    "distinct",
    "kills",
    "kills, then rollback",
    "faults",
    "not met",
    "requests",
    "failed",
    "not converged",
    "orphans",
    "time",
)


@dataclass
class Row:
    """What the trials of one strategy on one target showed."""

    target: str
    strategy: str
    calls: int
    distinct: int
    kills: int = 0
    rolled_back: int = 0
    faults: int = 0
    not_met: int = 0
    sent: int = 0
    failed: int = 0
    not_converged: int = 0
    orphans: int = 0
    took: float = 0.0

    @property
    def is_bad(self) -> bool:
        """Whether anything was lost, or left."""
        return bool(self.failed or self.not_converged or self.orphans)

    def add(self, result: Result) -> None:
        """Count one trial; what was not met is a clean release."""
        self.kills += result.met and result.kind in KILLS and not result.back
        self.rolled_back += result.met and result.kind in KILLS and result.back
        self.faults += result.met and result.kind not in KILLS
        self.not_met += not result.met
        self.not_converged += bool([one for one in result.problems if "client:" not in one])
        self.orphans += sum(result.orphans.values())
        self.sent += result.sent
        self.failed += result.failed
        self.took += result.took


def text(rows: list[Row]) -> str:
    """Return the rows as a table for a document."""
    lines = [HEADS, tuple("---" for _ in HEADS), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    counts = (
        row.calls,
        row.distinct,
        row.kills,
        row.rolled_back,
        row.faults,
        row.not_met,
        row.sent,
        row.failed,
        row.not_converged,
        row.orphans,
    )
    minutes, seconds = divmod(round(row.took), 60)
    return (row.target, row.strategy, *map(str, counts), f"{minutes} min {seconds} s")
