"""Threads for predictions, off the event loop, and a queue that refuses early."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tridock.inference.errors import OverloadedError

Result = TypeVar("Result")

#: Weight of the newest duration in the running mean: about the last ten count.
NEWEST = 0.2


class Pool:
    """Runs work in threads, as many as there are cores; used from one event loop.

    A request is refused at once where it would wait too long: an answer that comes after its
    caller has given up costs as much as a useful one.

    Parameters
    ----------
    workers : int
        Threads.
    queue : int
        Most requests that wait for one.
    patience : float
        Longest wait, in seconds: where a longer one is to be expected the request is refused at
        once, and where it was longer nevertheless it is refused instead of begun.
    """

    def __init__(self, workers: int, *, queue: int, patience: float) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="predict")
        self._workers = workers
        self._queue = queue
        self._patience = patience
        self._inside = 0
        self._mean_seconds = 0.0

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run `work` in a thread and return its result.

        Raises
        ------
        OverloadedError
            If it would wait too long.
        """
        self._admit()
        is_free = self._inside < self._workers
        latest = math.inf if is_free else time.perf_counter() + self._patience
        self._inside += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, self._timed, work, latest)
        finally:
            self._inside -= 1

    def wait_seconds(self) -> float:
        """Return how long the next request would wait, by the durations of the last ones."""
        ahead = max(0, self._inside - self._workers + 1)
        return ahead * self._mean_seconds / self._workers

    def retry_after(self) -> int:
        """Return whole seconds after which a refused caller may try again."""
        return max(1, math.ceil(self.wait_seconds()))

    def _admit(self) -> None:
        waiting = self._inside - self._workers
        if waiting < 0:
            return
        if waiting >= self._queue or self.wait_seconds() > self._patience:
            raise _overloaded(f"{self._inside} requests are in work or waiting, as many as fit")

    def _timed(self, work: Callable[[], Result], latest: float) -> Result:
        start = time.perf_counter()
        if start > latest:  # the first ones of a burst are let in before durations are known
            raise _overloaded(f"the request has waited for more than {self._patience:g} seconds")
        try:
            return work()
        finally:
            # Threads may lose an update to each other here: it is an estimate, and cheap.
            taken = time.perf_counter() - start
            self._mean_seconds += NEWEST * (taken - self._mean_seconds)


def _overloaded(reason: str) -> OverloadedError:
    return OverloadedError(f"{reason}: try again after the seconds that Retry-After says")
