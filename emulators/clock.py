"""Time in an emulated cloud: the service's own durations, lived through faster."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

#: A service's minute lasts a second by default: states are passed through, nobody waits for them.
DEFAULT_SPEED = 60.0


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
