"""Ten times what a server can do: what is answered, how soon, what is refused, what is lost."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.performance import environment
from tests.performance.asking import PATIENCE
from tests.performance.callers import Load, Tally, message
from tests.performance.cores import Cores
from tests.performance.errors import MeasuringError
from tests.performance.models import Model
from tests.performance.running import Running
from tests.performance.servers import OURS, ROOT
from tridock.inference.packaging.package import About, package_script
from tridock.inference.process.model_server import free_port

#: A model of 20 ms: products of matrices, which leave Python's lock to others as real models do.
SLOW = """
import time

import numpy as np

TABLE = np.ones((60, 60))


def init():
    pass


def run(data):
    end = time.thread_time() + 0.02
    while time.thread_time() < end:
        TABLE @ TABLE
    return {"prediction": "slow"}
"""
TIMES = 10
CAPACITY_SECONDS = 5.0
OVERLOAD_SECONDS = 10.0
CONNECTIONS = 32
MOST_CONNECTIONS = 4000


@dataclass(frozen=True)
class Burden:
    """One load in figures.

    Attributes
    ----------
    rate : float
        Answers with 200 a second.
    p50_ms, p99_ms : float
        Of the answers with 200.
    """

    sent: int
    rate: float
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]
    lost: int
    unsent: int

    @classmethod
    def of(cls, tally: Tally) -> Burden:
        """Sum a tally up; what got no answer at all is lost."""
        statuses = {str(status): count for status, count in sorted(tally.statuses.items())}
        percentiles = tally.percentile_ms(50), tally.percentile_ms(99)
        lost = tally.sent - tally.answered
        return cls(tally.sent, tally.rate, *percentiles, statuses, lost, tally.unsent)

    def share(self, status: str) -> float:
        """Return the share of the requests sent that were answered with `status`."""
        return self.statuses.get(status, 0) / max(1, self.sent)


@dataclass(frozen=True)
class Overload:
    """One model at capacity and at ten times as much.

    Attributes
    ----------
    how : str
        What ten times means here.
    rss_before_mb, rss_after_mb : float
        After the load at capacity, and a second after the overload.
    """

    title: str
    how: str
    capacity: Burden
    overload: Burden
    rss_before_mb: float
    rss_after_mb: float


@dataclass(frozen=True)
class Ending:
    """SIGTERM in the middle of a load.

    Attributes
    ----------
    exit_code : int
        The server's.
    seconds : float
        From the signal to its end.
    """

    burden: Burden
    exit_code: int
    seconds: float


@dataclass(frozen=True)
class Overloads:
    """All figures of overload; `failed` says why there are none."""

    cases: tuple[Overload, ...] = ()
    ending: Ending | None = None
    failed: str = ""


def measure(models: dict[str, Model], folder: Path, cores: Cores) -> Overloads:
    """Measure overload of our server with a slow script and with the forest, and its end."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        environment.make("tridock-joblib")
        slow = _slow_bundle(folder)
        forest = models["forest"]
        cases = (
            _slow(slow, folder, cores),
            _forest(forest, folder, cores),
        )
        return Overloads(cases, _ending(models["logistic"], folder, cores))
    except (MeasuringError, OSError) as error:
        return Overloads(failed=" ".join(str(error).split()))


def read(found: dict[str, Any]) -> Overloads:
    """Make a record of what was kept."""
    cases = tuple(
        Overload(**each | {name: Burden(**each[name]) for name in ("capacity", "overload")})
        for each in found["cases"]
    )
    ending = found["ending"]
    if ending:
        ending = Ending(**ending | {"burden": Burden(**ending["burden"])})
    return Overloads(cases, ending, found["failed"])


def _slow_bundle(folder: Path) -> Path:
    script = folder / "score.py"
    script.write_text(SLOW)
    return package_script(folder / "slow", about=About("slow", script=script)).path


def _slow(bundle: Path, folder: Path, cores: Cores) -> Overload:
    with _served(bundle, folder, cores, engine="onnx") as (running, port):
        load = Load(port, message("/score", b"{}"), CAPACITY_SECONDS, CONNECTIONS)
        capacity = asyncio.run(load.closed())
        before = running.memory().rss
        rate = TIMES * capacity.rate
        load = Load(port, load.request, OVERLOAD_SECONDS, MOST_CONNECTIONS)
        overload = asyncio.run(load.opened(rate))
        time.sleep(1)
        how = f"{rate:.0f} requests a second, sent whatever comes back"
        title = "a script that computes for 20 ms"
        after = running.memory().rss
    return Overload(title, how, Burden.of(capacity), Burden.of(overload), before, after)


def _forest(model: Model, folder: Path, cores: Cores) -> Overload:
    body = OURS[1].bodies(model)[0]
    with _served(model.bundle, folder, cores, engine="joblib") as (running, port):
        request = message(OURS[1].route, body)
        capacity = asyncio.run(Load(port, request, CAPACITY_SECONDS, CONNECTIONS).closed())
        before = running.memory().rss
        most = TIMES * CONNECTIONS
        overload = asyncio.run(Load(port, request, OVERLOAD_SECONDS, most).closed())
        time.sleep(1)
        after = running.memory().rss
    how = f"{most} connections that ask again at once, rather than {CONNECTIONS}"
    title = f"{model.title}, joblib"
    return Overload(title, how, Burden.of(capacity), Burden.of(overload), before, after)


def _ending(model: Model, folder: Path, cores: Cores) -> Ending:
    """Send SIGTERM while 64 connections are kept busy."""
    request = message(OURS[0].route, OURS[0].bodies(model)[0])
    with _served(model.bundle, folder, cores, engine="onnx") as (running, port):
        signalled = 0.0

        async def load() -> Tally:
            nonlocal signalled
            calling = asyncio.ensure_future(Load(port, request, 20, 2 * CONNECTIONS).closed())
            await asyncio.sleep(2)
            signalled = time.perf_counter()
            running.process.send_signal(signal.SIGTERM)
            return await calling

        tally = asyncio.run(load())
        code = running.process.wait(40)
        return Ending(Burden.of(tally), code, time.perf_counter() - signalled)


@contextmanager
def _served(
    bundle: Path, folder: Path, cores: Cores, *, engine: str
) -> Iterator[tuple[Running, int]]:
    port = free_port()
    python = str(environment.programs("tridock-joblib") / "python")
    where = ["--bundle", str(bundle), "--host", "127.0.0.1", "--port", str(port)]
    variables = {"PYTHONPATH": str(ROOT), "TRIDOCK_ENGINE": engine}
    command = cores.serving([python, "-m", "tridock.inference", "serve", *where])
    running = Running.start(command, folder, variables=variables, log=folder / "log")
    try:
        _wait(running, port)
        yield running, port
    finally:
        running.stop()


def _wait(running: Running, port: int) -> None:
    from tridock.inference.process.model_server import ModelServer

    server = ModelServer(running.process, port, running.log)
    deadline = running.began + PATIENCE
    while not server.is_ready():
        if running.process.poll() is not None or time.perf_counter() > deadline:
            raise MeasuringError(f"our server did not come up: {running.tail()}")
        time.sleep(0.01)
