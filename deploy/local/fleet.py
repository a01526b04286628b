"""The endpoints of this machine: their model servers, their traffic, and who is being answered."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import gcd
from pathlib import Path

from tridock.deploy.local.record import Record
from tridock.deploy.local.supervised import DRAIN, Supervised
from tridock.deploy.target.records import Release
from tridock.inference.process.model_server import ModelServer

#: Copies that a deployment may have waiting: more than it can answer are dropped.
COPIES = 100


class RefusedError(Exception):
    """The router does not do this.

    Parameters
    ----------
    status : int
        HTTP status that says why: 400 wrong, 404 absent, 409 conflict, 413 too large, 503 not
        ready, 507 no room.
    message : str
        What and why.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Running:
    """A deployment: its model server, the requests it is answering, and those it answered."""

    release: Release
    supervised: Supervised
    created: datetime
    in_flight: int = 0
    watch: asyncio.Task[None] | None = None
    record: Record = field(default_factory=Record)

    @property
    def server(self) -> ModelServer:
        """The model server that runs, or ran last."""
        return self.supervised.server

    async def drain(self) -> None:
        """Let it finish what it accepted, and end it. It gets no new request."""
        for _ in range(int(DRAIN / 0.02)):
            if not self.in_flight:
                break
            await asyncio.sleep(0.02)
        await self.supervised.stop()
        if self.watch:
            await self.watch


@dataclass
class Served:
    """An endpoint: deployments by name, their shares, and whose turn it is.

    Attributes
    ----------
    shadow : Mapping[str, int]
        The deployment that gets copies, and of how many percent of the requests.
    copies : Iterator[str]
        The deployment that gets a copy of the next request; empty for none.
    """

    deployments: dict[str, Running] = field(default_factory=dict)
    traffic: Mapping[str, int] = field(default_factory=dict)
    turns: Iterator[str] = field(default_factory=lambda: iter(()))
    shadow: Mapping[str, int] = field(default_factory=dict)
    copies: Iterator[str] = field(default_factory=lambda: iter(()))

    def split(self, traffic: Mapping[str, int]) -> None:
        """Switch to a new split at once: the next request follows it."""
        self.traffic = {name: share for name, share in traffic.items() if share}
        self.turns = itertools.cycle(order(self.traffic))

    def copy(self, name: str, percent: int) -> None:
        """Send copies of `percent` of the requests to a deployment from now on; 0 for none."""
        self.shadow = {name: percent} if percent else {}
        self.copies = itertools.cycle(order({**self.shadow, "": 100 - percent}))


class Fleet:
    """All endpoints of one router; used from its event loop alone.

    Parameters
    ----------
    folder : Path
        The router's: ``bundles/<digest>`` are the only folders that are served, and each deployment
        has its log in ``servers/<endpoint>/<deployment>/server.log``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.endpoints: dict[str, Served] = {}
        self.closing = False

    def deploy(self, release: Release) -> None:
        """Start a model server; the same release again is success, and starts one that failed.

        Parameters
        ----------
        release : Release
            With names that were checked; its artifact is a digest.
        """
        if self.closing:
            raise RefusedError(503, "the router is ending")
        standing = self.endpoints.get(release.endpoint, Served()).deployments.get(release.name)
        if standing and standing.release != release:
            raise RefusedError(409, f"{_title(release)} exists with other settings")
        if standing:
            standing.supervised.try_again()
            return
        running = self._start(release)
        served = self.endpoints.setdefault(release.endpoint, Served())
        served.deployments[release.name] = running
        if len(served.deployments) == 1:
            served.split({release.name: 100})

    def _start(self, release: Release) -> Running:
        bundle = self.folder / "bundles" / release.artifact
        if not bundle.is_dir():
            raise RefusedError(404, f"there is no bundle {release.artifact}: upload it first")
        log = self.folder / "servers" / release.endpoint / release.name / "server.log"
        variables = release.variables

        def start() -> ModelServer:
            return ModelServer.start(bundle, log, environment=variables)

        try:
            supervised = Supervised(start, start())
        except OSError as error:
            raise RefusedError(507, f"{_title(release)} does not start: {error}") from error
        watch = asyncio.get_running_loop().create_task(supervised.follow())
        return Running(release, supervised, datetime.now(UTC), watch=watch)

    def find(self, endpoint: str) -> Served:
        """Return an endpoint."""
        if endpoint not in self.endpoints:
            raise RefusedError(404, f"no endpoint {endpoint!r} on this machine")
        return self.endpoints[endpoint]

    def split(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        """Set the traffic of an endpoint."""
        served = self.find(endpoint)
        unknown = sorted(set(traffic) - set(served.deployments))
        if unknown:
            raise RefusedError(404, f"no deployment {', '.join(unknown)} behind {endpoint!r}")
        copied = set(served.shadow) & {name for name, share in traffic.items() if share}
        if copied:
            raise RefusedError(409, f"{endpoint}/{copied.pop()} gets copies: end that first")
        served.split(traffic)

    def copy(self, endpoint: str, name: str, percent: int) -> None:
        """Send copies of requests to a deployment without traffic."""
        served = self.find(endpoint)
        self.running(endpoint, name)
        if served.traffic.get(name):
            raise RefusedError(409, f"{endpoint}/{name} has traffic: it cannot get copies")
        served.copy(name, percent)

    def running(self, endpoint: str, name: str) -> Running:
        """Return a deployment."""
        deployed = self.find(endpoint).deployments.get(name)
        if not deployed:
            raise RefusedError(404, f"no deployment {name!r} behind {endpoint!r}")
        return deployed

    def next_copy(self, endpoint: str) -> Running | None:
        """Return who gets a copy of the request that is being sent on, if anybody does."""
        served = self.find(endpoint)
        deployed = served.deployments.get(next(served.copies, ""))
        up = deployed and deployed.supervised.is_up() and deployed.in_flight < COPIES
        return deployed if up else None

    @contextmanager
    def turn(self, endpoint: str, wanted: str | None) -> Iterator[tuple[str, Running]]:
        """Choose who answers, and count the request as its until the block ends."""
        served = self.find(endpoint)
        name = wanted or next(served.turns, "")
        running = self.running(endpoint, name)
        if not running.supervised.is_up():
            if not wanted:
                running.record.lose()
            raise RefusedError(503, f"{endpoint}/{name} is not ready")
        running.in_flight += 1
        try:
            yield name, running
        finally:
            running.in_flight -= 1

    async def undeploy(self, endpoint: str, name: str) -> None:
        """Drain and end one deployment without traffic. Absent is success."""
        served = self.endpoints.get(endpoint, Served())
        if served.traffic.get(name):
            raise RefusedError(409, f"{endpoint}/{name} has {served.traffic[name]} % of traffic")
        if served.shadow.get(name):
            raise RefusedError(409, f"{endpoint}/{name} gets copies of requests: end that first")
        running = served.deployments.pop(name, None)
        if running:
            await running.drain()

    async def delete(self, endpoint: str) -> None:
        """Drain and end all deployments of an endpoint. Absent is success."""
        served = self.endpoints.pop(endpoint, Served())
        await asyncio.gather(*(running.drain() for running in served.deployments.values()))

    async def close(self) -> None:
        """Drain and end everything."""
        await asyncio.gather(*(self.delete(endpoint) for endpoint in list(self.endpoints)))


def _title(release: Release) -> str:
    return f"{release.endpoint}/{release.name}"


# Which deployment answers next: exact over a cycle, and evenly mixed within it.


def order(traffic: Mapping[str, int]) -> tuple[str, ...]:
    """Return one cycle of names in which each occurs as often as its share demands.

    Smooth weighted round robin, as nginx does it: each turn everyone earns its share, the
    richest is chosen and pays the sum, so that a name's turns are spread over the cycle.

    Parameters
    ----------
    traffic : Mapping[str, int]
        Shares, not negative. The cycle's length is their sum over their greatest common divisor;
        it is empty if all are zero.
    """
    shares = {name: share for name, share in sorted(traffic.items()) if share}
    step = gcd(*shares.values()) if shares else 1
    earned = dict.fromkeys(shares, 0)
    chosen = []
    for _ in range(sum(shares.values()) // step):
        for name, share in shares.items():
            earned[name] += share
        richest = max(earned, key=lambda name: earned[name])
        earned[richest] -= sum(shares.values())
        chosen.append(richest)
    return tuple(chosen)
