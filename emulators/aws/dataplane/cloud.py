"""One emulated AWS: the state and the hooks that its parts share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tridock.emulators.aws.dataplane.capture import Captures
from tridock.emulators.aws.dataplane.live import Live
from tridock.emulators.aws.dataplane.logs import Logs
from tridock.emulators.aws.dataplane.metrics import Metrics
from tridock.emulators.aws.protocol.access_keys import Key, own_key
from tridock.emulators.aws.protocol.calls import Call
from tridock.emulators.clock import Clock
from tridock.emulators.faults import Faults
from tridock.emulators.fleet import Fleet
from tridock.emulators.place import Place
from tridock.emulators.runners import runner

#: Real seconds a container has for one answer (API reference, InvokeEndpoint).
INVOCATION_SECONDS = 60.0


@dataclass
class Limits:
    """Limits of the service in force; a test can lower them.

    Attributes
    ----------
    invocation_seconds : float
        Real seconds until an invocation times out.
    """

    invocation_seconds: float = INVOCATION_SECONDS

    def reset(self) -> None:
        """Restore the service's own limits."""
        self.invocation_seconds = INVOCATION_SECONDS


@dataclass(frozen=True)
class Cloud:
    """The state and the hooks that every part of the emulated AWS uses.

    Attributes
    ----------
    place : Place
        Its folder and settings.
    clock : Clock
        The service's time.
    faults : Faults
        The planned faults.
    fleet : Fleet
        All model servers.
    url : str
        Address of the emulator's server.
    key : Key
        The account's own access key.
    live : Live
        The routes that serve now.
    logs : Logs
        Carries the model servers' output to CloudWatch.
    metrics : Metrics
        Carries what is measured to CloudWatch.
    captures : Captures
        Captured data on its way to S3.
    limits : Limits
        Limits of the service in force.
    background : ThreadPoolExecutor
        For work behind an answer.
    lock : threading.RLock
        Held for changes of the control plane; never while waiting.
    before_change : list of callable
        Called before moto gets a call, with the bytes of its body; OSError refuses it.
    on_change : list of callable
        Called after moto answered a call, before the client has the answer; OSError takes it back.
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
    url: str
    key: Key
    metrics: Metrics
    live: Live = field(default_factory=Live)
    logs: Logs = field(default_factory=Logs)
    captures: Captures = field(default_factory=Captures)
    limits: Limits = field(default_factory=Limits)
    background: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16))
    lock: threading.RLock = field(default_factory=threading.RLock)
    before_change: list[Callable[[Call, int], None]] = field(default_factory=list)
    on_change: list[Callable[[Call], None]] = field(default_factory=list)
    on_start: list[Callable[[], None]] = field(default_factory=list)
    on_reset: list[Callable[[], None]] = field(default_factory=list)
    on_stop: list[Callable[[], None]] = field(default_factory=list)

    @classmethod
    def at(cls, place: Place, url: str) -> Cloud:
        """Make the cloud of `place` that answers at `url`."""
        fleet = Fleet(place.servers, runner(place))
        clock = Clock(place.speed)
        return cls(place, clock, Faults(), fleet, url, own_key(place.folder), Metrics(clock))


#: A part that completes or repairs moto: called once, before the first request is answered.
Installer = Callable[[Cloud], None]
