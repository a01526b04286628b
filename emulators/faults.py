"""Faults on request: the n-th call of an operation, or a share of its calls, goes wrong."""

from __future__ import annotations

import enum
import random
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any


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


def read_faults(asked: Any) -> tuple[Fault, ...]:
    """Read what ``PUT /_emulator/faults`` was sent: ``{"faults": [...]}``, or the list alone.

    Each fault is an object with the attributes of `Fault`; `kind` is one of the values of
    `FaultKind`, and either `nth` or `share` says when.

    Raises
    ------
    ValueError
        If something in it cannot be a fault; the message says what.
    """
    listed = asked.get("faults") if isinstance(asked, dict) else asked
    if not isinstance(listed, list):
        raise ValueError('a list of faults was expected, or {"faults": [...]}')
    return tuple(_fault(item) for item in listed)


def _fault(item: Any) -> Fault:
    kinds = ", ".join(kind.value for kind in FaultKind)
    try:
        fault = Fault(**{**item, "kind": FaultKind(item["kind"])})
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{item!r} is no fault ({error}): it has operation, kind ({kinds}), nth or share"
        ) from error
    if not fault.nth and not fault.share:
        raise ValueError(f"{item!r} never happens: give nth (from 1) or share (above 0, to 1)")
    return fault


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
