"""The model servers of a deployment: who is free, who waits, who is turned away."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from tridock.emulators.fleet import Server


@dataclass(frozen=True)
class Routes:
    """Routes on which a container answers.

    Attributes
    ----------
    liveness, readiness, scoring : str
        Paths with a leading slash.
    """

    liveness: str = "/"
    readiness: str = "/"
    scoring: str = "/score"


@dataclass(frozen=True)
class Limits:
    """Request settings of a deployment.

    Attributes
    ----------
    timeout : float
        Real seconds a request may take.
    concurrent : int
        Requests that one instance is given at a time.
    """

    timeout: float = 5.0
    concurrent: int = 1


@dataclass(frozen=True)
class Pool:
    """The servers that answer for one deployment.

    Attributes
    ----------
    servers : tuple of Server
        One for each instance.
    routes : Routes
        Of the container.
    limits : Limits
        Request settings.
    load : dict of str to int
        Requests in flight by server address; `waiting` is that of the queue.
    """

    servers: tuple[Server, ...]
    routes: Routes
    limits: Limits
    load: dict[str, int] = field(default_factory=dict)
    waiting: str = "waiting"

    @property
    def is_idle(self) -> bool:
        """True if no request is in work: its servers can be ended without losing one."""
        return not any(self.load.values())

    @property
    def capacity(self) -> int:
        """Number of requests that may be in flight; one more is refused with 429.

        Source: "Troubleshoot online endpoints", HTTP status codes: twice
        ``max_concurrent_requests_per_instance * instance_count``.
        """
        return 2 * self.limits.concurrent * len(self.servers)

    def enter(self) -> bool:
        """Let a request in; False if there are too many."""
        if sum(self.load.values()) >= self.capacity:
            return False
        self.load[self.waiting] = self.load.get(self.waiting, 0) + 1
        return True

    def leave(self) -> None:
        """Let go of a request that `enter` let in."""
        self.load[self.waiting] -= 1

    def take(self) -> Server | None:
        """Give a request that is in to the least busy instance; None if all are busy."""
        server = min(self.servers, key=lambda one: self.load.get(one.url, 0))
        if self.load.get(server.url, 0) >= self.limits.concurrent:
            return None
        self.load[server.url] = self.load.get(server.url, 0) + 1
        self.load[self.waiting] -= 1
        return server

    def give_back(self, server: Server) -> None:
        """Take an instance back; its request counts as waiting until it leaves."""
        self.load[server.url] -= 1
        self.load[self.waiting] += 1


class Pools:
    """All pools, by the identifier of their deployment in lower case."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> Pool | None:
        """Return the pool of a deployment, if it serves."""
        with self._lock:
            return self._pools.get(key)

    def put(self, key: str, pool: Pool) -> Pool | None:
        """Make `pool` answer from now on; return the one it replaces."""
        with self._lock:
            before = self._pools.get(key)
            self._pools[key] = pool
        return before

    def pop(self, key: str) -> Pool | None:
        """Let a deployment answer no more and return what answered."""
        with self._lock:
            return self._pools.pop(key, None)

    def all(self) -> Mapping[str, Pool]:
        """Return every pool by its key."""
        with self._lock:
            return dict(self._pools)

    def clear(self) -> None:
        """Forget all pools; their servers are not ended."""
        with self._lock:
            self._pools.clear()
