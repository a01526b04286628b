"""One emulated AWS: what its parts share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from emulators.clock import Clock
from emulators.faults import Faults
from emulators.fleet import RUNNERS, Fleet
from emulators.place import Place


@dataclass(frozen=True)
class Cloud:
    """What every part of the emulated AWS works with.

    Attributes
    ----------
    place : Place
        Where it lives and how it was asked to run.
    clock : Clock
        The service's time.
    faults : Faults
        Faults that were asked for.
    fleet : Fleet
        All model servers.
    lock : threading.RLock
        Held for changes of the control plane; never while waiting.
    on_start : list of callable
        Called once, when requests are answered.
    on_reset : list of callable
        Called after the state was cleared.
    on_stop : list of callable
        Called when the emulator ends, before its model servers do.
    """

    place: Place
    clock: Clock
    faults: Faults
    fleet: Fleet
    lock: threading.RLock = field(default_factory=threading.RLock)
    on_start: list[Callable[[], None]] = field(default_factory=list)
    on_reset: list[Callable[[], None]] = field(default_factory=list)
    on_stop: list[Callable[[], None]] = field(default_factory=list)

    @classmethod
    def at(cls, place: Place) -> Cloud:
        """Make the cloud of `place`, without a server yet."""
        fleet = Fleet(place.servers, RUNNERS[place.runner]())
        return cls(place, Clock(place.speed), Faults(), fleet)


#: A part that completes or repairs moto: called once, before the first request is answered.
Installer = Callable[[Cloud], None]
