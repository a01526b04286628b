"""Time in an emulated cloud: the durations of the service at a higher speed, and request rates."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

#: A service's minute lasts a second by default: a state lasts for a moment only.
DEFAULT_SPEED = 60.0
#: Arrivals kept per key: a scaling rule that counts them all is at its maximum anyway.
KEPT = 10_000


@dataclass(frozen=True)
class Clock:
    """Sleeps of the emulated service.

    Attributes
    ----------
    speed : float
        Emulated seconds per real second, above zero.
    """

    speed: float = DEFAULT_SPEED
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    def real(self, seconds: float) -> float:
        """Convert `seconds` of the service to real seconds."""
        return seconds / self.speed

    def sleep(self, seconds: float) -> bool:
        """Sleep `seconds` of the service; False if the emulator is ending, at once."""
        return not self._stopped.wait(self.real(seconds))

    def stop(self) -> None:
        """Wake every sleeper: the emulator ends."""
        self._stopped.set()


@dataclass(frozen=True)
class Arrivals:
    """The times of the latest requests, by key: the input of an emulated cloud's scaling rules.

    Attributes
    ----------
    clock : Clock
        The service's time: a rate is of its minutes.
    """

    clock: Clock
    _times: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key: str) -> None:
        """Count a request that arrived now."""
        with self._lock:
            self._times.setdefault(key, deque(maxlen=KEPT)).append(time.monotonic())

    def within(self, key: str, seconds: float) -> int:
        """Return the number of requests in the last `seconds` of the service."""
        since = time.monotonic() - self.clock.real(seconds)
        with self._lock:
            return sum(when >= since for when in self._times.get(key, ()))

    def idle(self, key: str) -> float:
        """Return the real seconds since the last request, or since the first look at `key`."""
        now = time.monotonic()
        with self._lock:
            times = self._times.setdefault(key, deque([now], maxlen=KEPT))
            return now - times[-1]

    def forget(self, key: str) -> None:
        """Forget the requests of one key."""
        with self._lock:
            self._times.pop(key, None)
