"""What is done to a deployer at one of its calls: killed, or its call made to go wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.ordeal.points import Point
from tridock.deploy.target.errors import UnavailableError
from tridock.deploy.target.protocol import Target
from tridock.emulators.faults import EVERY, Fault, FaultKind, count_since

KILLS = ("kill-before", "kill-after")
FAULTS = (
    "throttle",
    "500",
    "503",
    "hang-before",
    "hang-after",
    "drop-before",
    "drop-after",
    "slow",
    "stale",
)
#: A target without an emulator has no wire: its verbs fail, before or after their work.
FAULTS_OF_VERBS = ("drop-before", "drop-after", "slow")

#: Seconds that a hanging connection stays open, and that a slow call takes.
HANGING, SLOW = 0.3, 0.3
#: So many reads are stale.
STALE = 4

#: A deployer that waits for its end waits no longer than this.
FOREVER = 600.0


def fault(kind: str, point: Point, seconds: float = SLOW) -> dict[str, Any]:
    """Return the fault for an emulator's plan; to be killed, a deployer is made to hang."""
    planned: dict[str, Any] = {**asdict(point), "kind": kind, "seconds": seconds}
    if kind in KILLS:
        return {**planned, "kind": kind.replace("kill", "hang"), "seconds": FOREVER}
    if kind.startswith("hang"):
        return {**planned, "seconds": HANGING}
    if kind == "stale":
        return {**planned, "calls": STALE, "seconds": 0}
    if kind == "throttle":
        return {**planned, "retry_after": 0.1}
    return planned


@dataclass(frozen=True)
class Blow:
    """What happens to a deployer of a target without an emulator: at its n-th verb.

    Attributes
    ----------
    kind : str
        One of `KILLS` or `FAULTS_OF_VERBS`; empty for nothing.
    point : Point
        At which verb.
    notes : Path
        File that receives the verbs, one a line; beside it another one, once that verb came.
    seconds : float
        How long a slow verb takes.
    """

    kind: str
    point: Point
    notes: Path
    seconds: float = SLOW


class Struck:
    """A target whose n-th verb goes wrong; the verbs are counted as an emulator counts calls.

    Parameters
    ----------
    target : Target
        What does the work.
    blow : Blow
        What goes wrong, and where the verbs are noted.
    prefix : str
        Before the names of its verbs.
    """

    def __init__(self, target: Any, blow: Blow, prefix: str = "") -> None:
        self._target = target
        self._blow = blow
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name in ("notes", "models"):
            return Struck(found, self._blow, prefix=f"{name}.")
        if not callable(found) or name in ("invoke", "snippets"):
            return found
        return lambda *given, **named: self._do(name, lambda: found(*given, **named))

    def _do(self, name: str, work: Callable[[], Any]) -> Any:
        kind, notes = self._blow.kind, self._blow.notes
        with notes.open("a") as file:
            file.write(f"{self._prefix}{name}\n")
        if not self._is_due(f"{self._prefix}{name}"):
            return work()
        met = notes.with_suffix(".met")
        if kind in ("kill-before", "drop-before"):
            met.touch()
            _stop(kind)
        if kind == "slow":
            met.touch()
            _wait(self._blow.seconds, notes.with_suffix(".go"))
        done = work()
        if kind in ("kill-after", "drop-after"):
            met.touch()
            _stop(kind)
        return done

    def _is_due(self, name: str) -> bool:
        point = self._blow.point
        if not self._blow.kind or point.operation not in (EVERY, name):
            return False
        done = self._blow.notes.read_text().splitlines()
        if not point.since:
            return point.nth == (len(done) if point.operation == EVERY else done.count(name))
        return point.nth == count_since(done, Fault(kind=FaultKind.SLOW, **asdict(point)))


def _wait(seconds: float, ended: Path) -> None:
    """Sleep for some seconds, or until a file is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not ended.exists():
        time.sleep(0.01)


def _stop(kind: str) -> None:
    if kind.startswith("kill"):
        time.sleep(FOREVER)
    raise UnavailableError(f"a planned fault: {kind}")


def struck(target: Target, blow: Blow) -> Target:
    """Return the target whose verb `blow` names goes wrong."""
    wrapped: Any = Struck(target, blow)
    return wrapped  # type: ignore[no-any-return]
