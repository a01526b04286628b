"""Planned faults: the n-th call of an operation, or a share of its calls, goes wrong."""

from __future__ import annotations

import enum
import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

#: Every call of the control plane and of storage. Requests to models and logins are counted
#: apart, so that a client under load does not move a plan: they are met by their own names only.
EVERY = "*"

#: Number of calls that are remembered by name.
REMEMBERED = 10_000

Answer = TypeVar("Answer")


class FaultKind(enum.Enum):
    """The kinds of faults. Each cloud answers them with its own error codes."""

    THROTTLE = "throttle"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    SLOW = "slow"
    HANG_BEFORE = "hang-before"
    """Nothing was done, no answer comes, and after a while the connection is closed."""
    HANG_AFTER = "hang-after"
    """The work was done, no answer comes, and after a while the connection is closed."""
    DROP_BEFORE = "drop-before"
    """The connection is closed and nothing was done."""
    DROP_AFTER = "drop-after"
    """The work was done, and its answer is lost."""
    STALE = "stale"
    """From this call on reads of the control plane see what was before the latest change."""


class ConnectionDropped(Exception):  # noqa: N818 - a planned fault, not an error of ours
    """The connection is to be closed without an answer."""


@dataclass(frozen=True)
class Fault:
    """One planned fault.

    Attributes
    ----------
    operation : str
        The cloud's name of the call, e.g. ``"CreateEndpoint"``; ``"*"`` for `EVERY` call.
    kind : FaultKind
        What happens.
    nth : int
        Which call since the plan was made, from 1; 0 to use `share` instead.
    since : str
        Operation of the control plane or of storage after whose call `nth` is counted; empty to
        count from the start. Polls in between, now more and now less, then move nothing.
    since_nth : int
        Which call of that operation, from 1.
    share : float
        Probability for each call, 0 to 1.
    seconds : float
        Real seconds: how long a slow call takes, how long a hanging connection stays open (until
        the next plan at most), for how long reads are stale beside the number of `calls`.
    calls : int
        How many reads are stale.
    retry_after : float or None
        Seconds that a refusal asks the client to wait, in the cloud's own way.
    """

    operation: str
    kind: FaultKind
    nth: int = 0
    since: str = ""
    since_nth: int = 1
    share: float = 0.0
    seconds: float = 1.0
    calls: int = 0
    retry_after: float | None = None


def read_faults(body: Any) -> tuple[Fault, ...]:
    """Read the body of ``PUT /_emulator/faults``: ``{"faults": [...]}``, or the list alone.

    Each fault is an object with the attributes of `Fault`; `kind` is one of the values of
    `FaultKind`, and either `nth` or `share` says when.

    Raises
    ------
    ValueError
        If something in it cannot be a fault; the message says what.
    """
    listed = body.get("faults") if isinstance(body, dict) else body
    if not isinstance(listed, list):
        raise ValueError('a list of faults was expected, or {"faults": [...]}')
    return tuple(_fault(item) for item in listed)


def load_faults(file: Path) -> tuple[Fault, ...]:
    """Read a plan from a JSON file; see `read_faults`.

    Raises
    ------
    ValueError
        If it cannot be read; the message names the file.
    """
    try:
        return read_faults(json.loads(file.read_text()))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error


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
    """The plan of one emulator and the calls counted against it.

    Parameters
    ----------
    plan : tuple of Fault
        What goes wrong from the start.

    Attributes
    ----------
    past : Past
        What stale reads are answered with.
    """

    def __init__(self, plan: tuple[Fault, ...] = ()) -> None:
        self.past = Past()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.plan(plan)

    def plan(self, faults: tuple[Fault, ...]) -> None:
        """Replace the plan and count calls from zero; hanging calls end."""
        with self._lock:
            self._plan = faults
            self._counts: Counter[str] = Counter()
            self._calls: deque[str] = deque(maxlen=REMEMBERED)
            self._met: list[dict[str, Any]] = []
            self.past = Past(is_kept=any(fault.kind is FaultKind.STALE for fault in faults))
            self._over.set()
            self._over = threading.Event()

    def report(self) -> dict[str, Any]:
        """Return the plan, the faults that were met, and the calls in their order."""
        with self._lock:
            return {
                "faults": [{**asdict(fault), "kind": fault.kind.value} for fault in self._plan],
                "met": list(self._met),
                "calls": list(self._calls),
                "counts": dict(self._counts),
            }

    def next(self, operation: str, *, apart: bool = False) -> Fault | None:
        """Count one call of `operation` and return the fault it meets, if any.

        Parameters
        ----------
        apart : bool
            Whether it is a request to a model, or a login: none of `EVERY` call.
        """
        names = (operation,) if apart else (operation, EVERY)
        with self._lock:
            self._counts.update(names)
            if not apart:
                self._calls.append(operation)
            for fault in self._plan:
                if fault.operation in names and self._is_due(fault):
                    call = self._counts[fault.operation]
                    self._met.append(
                        {"operation": operation, "kind": fault.kind.value, "call": call}
                    )
                    if fault.kind is FaultKind.STALE:
                        self.past.open(fault.calls, fault.seconds)
                    return fault
        return None

    def begin(self, fault: Fault | None) -> None:
        """Apply the part of a fault that comes before the work.

        Raises
        ------
        ConnectionDropped
            If the work is not to be done.
        """
        if fault and fault.kind is FaultKind.SLOW:
            time.sleep(fault.seconds)
        if fault and fault.kind is FaultKind.HANG_BEFORE:
            self._over.wait(fault.seconds)
        if fault and fault.kind in (FaultKind.HANG_BEFORE, FaultKind.DROP_BEFORE):
            raise ConnectionDropped

    def end(self, fault: Fault | None) -> None:
        """Apply the part of a fault that comes after the work.

        Raises
        ------
        ConnectionDropped
            If its answer is lost.
        """
        if fault and fault.kind is FaultKind.HANG_AFTER:
            self._over.wait(fault.seconds)
        if fault and fault.kind in (FaultKind.HANG_AFTER, FaultKind.DROP_AFTER):
            raise ConnectionDropped

    def _is_due(self, fault: Fault) -> bool:
        if fault.nth:
            return self._count(fault) == fault.nth
        return random.random() < fault.share

    def _count(self, fault: Fault) -> int:
        if not fault.since:
            return self._counts[fault.operation]
        return count_since(list(self._calls), fault)


def count_since(calls: Sequence[str], fault: Fault) -> int:
    """Count the calls of a fault's operation after the call that it counts from.

    Parameters
    ----------
    calls : sequence of str
        All calls so far, by name.
    """
    starts = [number for number, name in enumerate(calls) if name == fault.since]
    if len(starts) < fault.since_nth:
        return 0
    later = calls[starts[fault.since_nth - 1] + 1 :]
    return len(later) if fault.operation == EVERY else later.count(fault.operation)


@dataclass
class Past:
    """Earlier answers to reads, by request: the source of stale answers.

    Attributes
    ----------
    is_kept : bool
        Whether answers are remembered: only while the plan has stale reads.
    """

    is_kept: bool = False
    now: Callable[[], float] = time.monotonic
    _latest: dict[Hashable, Any] = field(default_factory=dict)
    _before: dict[Hashable, Any] = field(default_factory=dict)
    _reads: int = 0
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, reads: int, seconds: float) -> None:
        """Answer the next `reads` reads, and those of the next `seconds`, from the past."""
        with self._lock:
            self._reads, self._until = reads, self.now() + seconds

    def changed(self) -> None:
        """Note a change: the latest answers are from now on those before the change."""
        with self._lock:
            self._before = dict(self._latest)

    def seen(self, request: Hashable, fresh: Answer) -> Answer:
        """Return `fresh`, or the answer before the latest change while reads are stale.

        A request without an earlier answer always gets `fresh`.
        """
        with self._lock:
            self._latest[request] = fresh
            if self._reads <= 0 and self.now() >= self._until:
                return fresh
            self._reads -= 1
            old: Answer = self._before.get(request, fresh)
            return old
