"""When requests came: what an emulated cloud's scaling follows."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from tridock.emulators.clock import Clock

#: So many arrivals of one key are kept: a scaling that has them all asks for its maximum anyway.
KEPT = 10_000


@dataclass(frozen=True)
class Arrivals:
    """The moments at which requests came, by whom they are for.

    Attributes
    ----------
    clock : Clock
        The service's time: a rate is of its minutes.
    """

    clock: Clock
    _times: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key: str) -> None:
        """Count a request that came just now."""
        with self._lock:
            self._times.setdefault(key, deque(maxlen=KEPT)).append(time.monotonic())

    def within(self, key: str, seconds: float) -> int:
        """Return how many came in the last `seconds` of the service."""
        since = time.monotonic() - self.clock.real(seconds)
        with self._lock:
            return sum(when >= since for when in self._times.get(key, ()))

    def idle(self, key: str) -> float:
        """Return the real seconds since the last one came, or since `key` was first asked for."""
        now = time.monotonic()
        with self._lock:
            times = self._times.setdefault(key, deque([now], maxlen=KEPT))
            return now - times[-1]

    def forget(self, key: str) -> None:
        """Forget what came for one key."""
        with self._lock:
            self._times.pop(key, None)
