"""Faults on request: the n-th call of an operation, or a share of its calls, goes wrong."""

from __future__ import annotations

import enum
import random
import threading
from collections import Counter
from dataclasses import dataclass


class FaultKind(enum.Enum):
    """What goes wrong. Each cloud words it in its own codes."""

    THROTTLE = "throttle"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    SLOW = "slow"
    DROP_BEFORE = "drop-before"
    """The connection is closed and nothing was done."""
    DROP_AFTER = "drop-after"
    """The work was done, and its answer is lost."""


@dataclass(frozen=True)
class Fault:
    """One planned fault.

    Attributes
    ----------
    operation : str
        The cloud's name of the call, e.g. ``"CreateEndpoint"``; ``"*"`` for every call.
    kind : FaultKind
        What happens.
    nth : int
        Which call since the plan was made, from 1; 0 to use `share` instead.
    share : float
        Probability for each call, 0 to 1.
    seconds : float
        How long `FaultKind.SLOW` takes, in real seconds.
    """

    operation: str
    kind: FaultKind
    nth: int = 0
    share: float = 0.0
    seconds: float = 1.0


class Faults:
    """The plan of one emulator and the calls counted against it."""

    def __init__(self) -> None:
        self._plan: tuple[Fault, ...] = ()
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def plan(self, faults: tuple[Fault, ...]) -> None:
        """Replace the plan and count calls from zero."""
        with self._lock:
            self._plan = faults
            self._calls.clear()

    def next(self, operation: str) -> Fault | None:
        """Count one call of `operation` and return the fault it meets, if any."""
        with self._lock:
            self._calls[operation] += 1
            self._calls["*"] += 1
            for fault in self._plan:
                if fault.operation in (operation, "*") and self._is_due(fault):
                    return fault
        return None

    def _is_due(self, fault: Fault) -> bool:
        if fault.nth:
            return self._calls[fault.operation] == fault.nth
        return random.random() < fault.share
