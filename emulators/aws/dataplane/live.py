"""The instances that serve, their generations, and the route of each request."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import urllib3

from tridock.emulators.aws.dataplane.configs import Config
from tridock.emulators.fleet import Server


@dataclass(frozen=True)
class Key:
    """One endpoint among all accounts and regions."""

    account: str
    region: str
    endpoint: str


@dataclass
class Instance:
    """One model server behind a variant, and the number of its requests in progress.

    Attributes
    ----------
    variant : str
        Name of the production or shadow variant.
    id : str
        Instance id as the logs name it, ``"i-…"``.
    server : Server
        The running container; another one after a crash.
    pool : urllib3.HTTPConnectionPool
        Connections to it.
    restart : callable
        Starts the container again.
    is_retired : bool
        Whether it was ended on purpose. Read and written with `life` held.
    """

    variant: str
    id: str
    server: Server
    pool: urllib3.HTTPConnectionPool
    restart: Callable[[], Server]
    is_retired: bool = False
    life: threading.Lock = field(default_factory=threading.Lock)
    _busy: int = 0
    _idle: threading.Condition = field(default_factory=threading.Condition)

    def enter(self) -> None:
        """Count a request that goes to this instance."""
        with self._idle:
            self._busy += 1

    def leave(self) -> None:
        """Count a request that was answered."""
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    @property
    def busy(self) -> int:
        """Number of requests in progress."""
        return self._busy

    def wait_idle(self, timeout: float) -> bool:
        """Return when no request is on its way; False after `timeout` real seconds."""
        deadline = time.monotonic() + timeout
        with self._idle:
            return self._idle.wait_for(lambda: not self._busy, deadline - time.monotonic())


@dataclass(frozen=True)
class Generation:
    """The instances that one endpoint configuration brought up.

    Attributes
    ----------
    config : Config
        The configuration as it was when they started.
    instances : Mapping[str, Instance]
        By production variant.
    shadows : Mapping[str, Instance]
        By shadow variant.
    """

    config: Config
    instances: Mapping[str, Instance]
    shadows: Mapping[str, Instance] = field(default_factory=dict)

    def all_instances(self) -> tuple[Instance, ...]:
        """Return production and shadow instances."""
        return (*self.instances.values(), *self.shadows.values())


@dataclass(frozen=True)
class Share:
    """A part of an endpoint's traffic.

    Attributes
    ----------
    percent : float
        Of all requests, 0 to 100.
    generation : Generation
        Who answers them.
    weights : Mapping[str, float]
        Weight by variant inside the generation.
    """

    percent: float
    generation: Generation
    weights: Mapping[str, float]


Route = tuple[Share, ...]


class UnknownVariantError(LookupError):
    """No generation that serves has the requested variant."""


@dataclass(frozen=True)
class Lease:
    """One request's hold on an instance: while it lasts, the instance is not ended."""

    share: Share
    instance: Instance


class Live:
    """The routes of all endpoints. A route is replaced as a whole: no request sees half of one."""

    def __init__(self) -> None:
        self._routes: dict[Key, Route] = {}
        self._lock = threading.Lock()

    def get(self, key: Key) -> Route | None:
        """Return the route of an endpoint that serves, else None."""
        return self._routes.get(key)

    def put(self, key: Key, route: Route) -> None:
        """Send all requests from now on by `route`."""
        with self._lock:
            self._routes[key] = route

    def pop(self, key: Key) -> Route | None:
        """Remove the route of an endpoint and return it."""
        with self._lock:
            return self._routes.pop(key, None)

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances of all routes."""
        with self._lock:
            routes = tuple(self._routes.values())
        return tuple(
            instance
            for route in routes
            for share in route
            for instance in share.generation.all_instances()
        )

    def clear(self) -> None:
        """Forget every route."""
        with self._lock:
            self._routes.clear()

    @contextmanager
    def lease(self, key: Key, target: str | None) -> Iterator[Lease | None]:
        """Hold an instance for one request; None if the endpoint does not serve.

        Choosing and counting happen under the lock that `put` takes: a drain of an
        instance after `put` sees every request that chose it.

        Raises
        ------
        UnknownVariantError
            If no serving generation has `target`.
        """
        with self._lock:
            route = self._routes.get(key)
            held = choose(route, target) if route else None
            if held:
                held.instance.enter()
        try:
            yield held
        finally:
            if held:
                held.instance.leave()


def choose(
    route: Route, target: str | None = None, *, dice: Callable[[], float] = random.random
) -> Lease:
    """Choose the instance for one request: the generation by percent, the variant by weight.

    Parameters
    ----------
    target : str, optional
        Variant that the request asks for; it may have any weight, also none.
    dice : callable
        Returns a number in [0, 1).

    Raises
    ------
    UnknownVariantError
        If no generation has `target`.
    """
    shares = [share for share in route if not target or target in share.generation.instances]
    if not shares:
        raise UnknownVariantError(target)
    share = shares[_pick([share.percent for share in shares], dice())]
    if target:
        return Lease(share, share.generation.instances[target])
    names = list(share.generation.instances)
    name = names[_pick([share.weights.get(name, 1.0) for name in names], dice())]
    return Lease(share, share.generation.instances[name])


def _pick(weights: list[float], point: float) -> int:
    """Return the index that `point` of the summed weights falls on; the first if all are zero."""
    left = point * sum(weights)
    for index, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return index
    return max(range(len(weights)), key=weights.__getitem__)
