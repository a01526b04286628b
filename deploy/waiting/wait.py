"""Waiting, once for all clouds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tridock.deploy.target.errors import DeadlineError, DeploymentError, NotFoundError
from tridock.deploy.target.protocol import Deployments
from tridock.deploy.target.records import Endpoint, State

#: Real clouds take minutes and emulated ones moments: ask often at first, then every ten seconds.
FIRST, GROWTH, SLOWEST = 0.1, 1.3, 10.0


@dataclass(frozen=True)
class Clock:
    """Source of time; a test brings its own.

    Attributes
    ----------
    now : callable
        Seconds, rising.
    sleep : callable
        Lets seconds pass.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Deadline:
    """A moment after which waiting ends.

    Attributes
    ----------
    timeout : float
        Seconds that were allowed.
    end : float
        The moment, by `clock`.
    """

    timeout: float
    end: float
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def after(cls, timeout: float, clock: Clock | None = None) -> Deadline:
        """Return the moment `timeout` seconds from now."""
        clock = clock or Clock()
        return cls(timeout, clock.now() + timeout, clock)

    def left(self) -> float:
        """Return the seconds left, not below zero."""
        return max(0.0, self.end - self.clock.now())

    def of(self, seconds: float) -> Deadline:
        """Return the moment in `seconds` from now, or this one if that is sooner."""
        return Deadline.after(min(seconds, self.left()), self.clock)

    def again(self) -> Deadline:
        """Return a fresh one of the same length: putting things right has time of its own."""
        return Deadline.after(self.timeout, self.clock)


def looks(deadline: Deadline) -> Iterator[None]:
    """Yield at once, and again ever less often, the last time when the deadline passes."""
    pause = FIRST
    while True:
        yield
        if not deadline.left():
            return
        deadline.clock.sleep(min(pause, deadline.left()))
        pause = min(pause * GROWTH, SLOWEST)


def until(done: Callable[[], bool], deadline: Deadline, *, goal: str) -> None:
    """Ask `done` until it says yes, ever less often.

    Raises
    ------
    DeadlineError
        If the deadline passes first; the message names `goal`.
    """
    if not any(done() for _ in looks(deadline)):
        raise DeadlineError(
            f"{goal}: not so after {deadline.timeout:g} s. Allow more with --timeout"
        )


def until_settled(
    target: Deployments, endpoint: str, deadline: Deadline, current: Endpoint | None = None
) -> Endpoint:
    """Return the endpoint once no change to it is under way.

    Parameters
    ----------
    current : Endpoint, optional
        As it was seen a moment ago.

    Raises
    ------
    DeadlineError
        If the deadline passes first.
    NotFoundError
        If there is no such endpoint.
    """
    current = current or target.describe(endpoint)

    def settled() -> bool:
        nonlocal current
        current = target.describe(endpoint)
        return current.settled

    if not current.settled:
        until(settled, deadline, goal=f"endpoint {endpoint} takes changes")
    return current


def until_ready(
    target: Deployments, endpoint: str, deployment: str, deadline: Deadline
) -> Endpoint:
    """Return the endpoint once `deployment` is ready and no change is under way.

    Raises
    ------
    DeploymentError
        If it failed, or if the cloud took it away again; carries the reason.
    DeadlineError
        If the deadline passes first.
    """
    seen: list[Endpoint] = []

    def ready() -> bool:
        seen[:] = [target.describe(endpoint)]
        _refuse_failed(seen[0], deployment)
        return seen[0].settled and seen[0].deployments[deployment].state is State.READY

    until(ready, deadline, goal=f"{endpoint}/{deployment} is ready")
    return seen[0]


def until_gone(target: Deployments, endpoint: str, deadline: Deadline) -> None:
    """Return once there is no such endpoint.

    Raises
    ------
    DeadlineError
        If the deadline passes first.
    """

    def gone() -> bool:
        try:
            target.describe(endpoint)
        except NotFoundError:
            return True
        return False

    until(gone, deadline, goal=f"endpoint {endpoint} is deleted")


def _refuse_failed(current: Endpoint, deployment: str) -> None:
    """Raise if `deployment` will not come up any more.

    SageMaker takes a variant that failed away again and keeps the reason on the endpoint.
    """
    one = current.deployments.get(deployment)
    failed = one.state is State.FAILED if one else current.settled
    if failed or current.state is State.FAILED:
        reason = (one.reason if one else "") or current.reason or "the cloud gave no reason"
        undone = "" if one else ", and the cloud rolled back by itself"
        raise DeploymentError(f"{current.name}/{deployment} did not come up{undone}: {reason}")
