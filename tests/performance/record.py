"""What was measured, kept as JSON so that a broken run can be taken up again."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.performance.load import Load
from tests.performance.running import Memory


@dataclass(frozen=True)
class Round:
    """One load, between two of the limit: whatever else the machine did, it did to all three."""

    load: Load
    before: Load
    after: Load

    @property
    def limit_rate(self) -> float:
        """The limit's answers a second around this load."""
        return (self.before.rate + self.after.rate) / 2

    @property
    def share(self) -> float:
        """Good answers a second as a share of the limit's."""
        return self.load.rate / self.limit_rate

    @property
    def p99_times(self) -> float:
        """The 99th percentile, in multiples of the limit's."""
        return self.load.p99_ms / ((self.before.p99_ms + self.after.p99_ms) / 2)


@dataclass(frozen=True)
class Cell:
    """One server with one model.

    Attributes
    ----------
    version : str
        Of the server's packages.
    engine : str
        What ran the model, where it is ours.
    ready_s : tuple of float
        Process start to first right prediction, for each start.
    memory : Memory or None
        After all loads.
    installed_mb : float
        Its environment on disk.
    wrong : int
        Answers before and after the loads that were not scikit-learn's.
    failed : str
        Why there is no figure; empty where there are.
    measured : str
        When, UTC.
    """

    server: str
    model: str
    version: str = ""
    engine: str = ""
    ready_s: tuple[float, ...] = ()
    memory: Memory | None = None
    installed_mb: float = 0.0
    rounds: tuple[Round, ...] = ()
    wrong: int = 0
    failed: str = ""
    measured: str = ""

    @property
    def ready(self) -> float:
        """The median time to ready, in seconds."""
        return statistics.median(self.ready_s)

    def at(self, connections: int) -> Round | None:
        """Return the round with the median share at so many connections."""
        found = [each for each in self.rounds if each.load.connections == connections]
        found.sort(key=lambda each: each.share)
        return found[(len(found) - 1) // 2] if found else None

    @property
    def bad(self) -> int:
        """Answers under load with an error's status, and connections lost."""
        return sum(each.load.non_2xx + each.load.lost for each in self.rounds)


@dataclass(frozen=True)
class Store:
    """The folder that holds a run's figures, one JSON file each."""

    folder: Path

    def keep(self, name: str, value: Any) -> None:
        """Write a record; the file appears whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / f".{name}.new"
        fresh.write_text(json.dumps(asdict(value), indent=1) + "\n")
        fresh.replace(self.folder / f"{name}.json")

    def found(self, name: str) -> dict[str, Any] | None:
        """Read a record's JSON; None where there is none."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_bytes()) if path.exists() else None

    def cell(self, server: str, model: str) -> Cell | None:
        """Read the figures of one server with one model."""
        found = self.found(f"{model}.{server}")
        return _cell(found) if found else None

    def clear(self) -> None:
        """Forget the run before."""
        for path in self.folder.glob("*.json"):
            path.unlink()


def _cell(found: dict[str, Any]) -> Cell:
    rounds = tuple(
        Round(*(Load(**each[name]) for name in ("load", "before", "after")))
        for each in found.pop("rounds")
    )
    memory = Memory(**found.pop("memory")) if found.get("memory") else found.pop("memory")
    return Cell(**found | {"ready_s": tuple(found["ready_s"])}, rounds=rounds, memory=memory)
