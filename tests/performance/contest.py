"""One server against the limit: started, checked, loaded between loads of the limit, weighed."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.performance import environment, load
from tests.performance.aims import CONNECTIONS
from tests.performance.asking import first_right, wrong_answers
from tests.performance.cores import Cores
from tests.performance.errors import MeasuringError
from tests.performance.load import Load
from tests.performance.models import Model
from tests.performance.record import Cell, Round
from tests.performance.running import Running
from tests.performance.servers import LIMIT, OURS, Place, Server
from tridock.inference.process.model_server import free_port

#: A slow server is loaded for longer, so that every connection gets some answers; up to this.
LONGEST = 10
ANSWERS_EACH = 4
LIMIT_SECONDS = 1
WARM_SECONDS = 1
#: Ours are started so often, and loaded so often at the aims' connections; their medians count.
REPEATS = 3


@dataclass(frozen=True)
class Plan:
    """How long, over how many connections, on which cores, and until when.

    Attributes
    ----------
    seconds : int
        Of each load.
    end : float
        By `time.monotonic`: what has not begun by then is not measured, and the table says so.
    scratch : Path
        Where servers write.
    """

    connections: tuple[int, ...]
    seconds: int
    cores: Cores
    end: float
    scratch: Path


@dataclass(frozen=True)
class Started:
    """A server that has answered rightly."""

    server: Server
    running: Running
    port: int
    ready_s: float
    bodies: Path

    def put(self, connections: int, seconds: int, cores: Cores) -> Load:
        """Load it."""
        url = f"http://127.0.0.1:{self.port}{self.server.route}"
        return load.put(url, self.bodies, connections=connections, seconds=seconds, cores=cores)


def measure(server: Server, model: Model, limit: Started, plan: Plan) -> Cell:
    """Measure one server with one model; whatever goes wrong stands in the cell."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    cell = Cell(server.name, model.name, measured=now)
    if time.monotonic() > plan.end:
        return Cell(server.name, model.name, measured=now, failed="not measured: time was up")
    try:
        environment.make(server.environment)
        return _measured(server, model, limit, plan)
    except (MeasuringError, OSError, subprocess.SubprocessError) as error:
        told = " ".join(str(error).split())
        return Cell(cell.server, cell.model, measured=now, failed=told or type(error).__name__)


@contextlib.contextmanager
def started(server: Server, model: Model, plan: Plan) -> Iterator[Started]:
    """Start a server on its core, and end it with all its children.

    Raises
    ------
    MeasuringError
        If it does not come to a right answer.
    """
    folder = plan.scratch / f"{model.name}.{server.name}"
    folder.mkdir(parents=True, exist_ok=True)
    place = Place(model, free_port(), folder, environment.programs(server.environment))
    server.prepare(place)
    bodies = folder / "bodies.jsonl"
    bodies.write_bytes(b"\n".join(server.bodies(model)) + b"\n")
    running = Running.start(
        plan.cores.serving(server.command(place)),
        folder,
        variables=server.variables(place),
        log=folder / "log",
    )
    try:
        ready = first_right(running, server, model, place.port)
        yield Started(server, running, place.port, ready, bodies)
    finally:
        running.stop()


def _measured(server: Server, model: Model, limit: Started, plan: Plan) -> Cell:
    repeats = REPEATS if server in OURS else 1
    ready = [_ready(server, model, plan) for _ in range(repeats - 1)]
    with started(server, model, plan) as one:
        wrong = wrong_answers(server, model, one.port)
        one.put(max(plan.connections), WARM_SECONDS, plan.cores)
        rounds = tuple(_rounds(one, limit, plan, repeats))
        wrong += wrong_answers(server, model, one.port)
        memory = one.running.memory()
    return Cell(
        server.name,
        model.name,
        version=environment.versions(server.environment, server.packages),
        engine=_engine(server, model),
        ready_s=(*ready, one.ready_s),
        memory=memory,
        installed_mb=environment.megabytes(server.environment),
        rounds=rounds,
        wrong=wrong,
        measured=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
    )


def _ready(server: Server, model: Model, plan: Plan) -> float:
    with started(server, model, plan) as one:
        return one.ready_s


def _rounds(one: Started, limit: Started, plan: Plan, repeats: int) -> Iterator[Round]:
    alone = 0.0
    for connections in plan.connections:
        for _ in range(repeats if connections == CONNECTIONS else 1):
            with one.running.paused():
                before = limit.put(connections, LIMIT_SECONDS, plan.cores)
            found = _load(one, connections, _seconds(plan, connections, alone), plan)
            with one.running.paused():
                after = limit.put(connections, LIMIT_SECONDS, plan.cores)
            alone = alone or found.p50_ms / 1e3 / connections
            yield Round(found, before, after)


def _load(one: Started, connections: int, seconds: int, plan: Plan) -> Load:
    """Load for so many seconds, and for longer if most connections got no answer in them."""
    found = one.put(connections, seconds, plan.cores)
    if found.requests < ANSWERS_EACH * connections and seconds < LONGEST:
        found = one.put(connections, LONGEST, plan.cores)
    return found


def _seconds(plan: Plan, connections: int, alone: float) -> int:
    """Return how long to load: all connections shall get their answers a few times."""
    wished = math.ceil(ANSWERS_EACH * connections * alone)
    return max(plan.seconds, min(wished, LONGEST))


def _engine(server: Server, model: Model) -> str:
    if server not in OURS:
        return ""
    wanted = "joblib" if server.name.endswith("joblib") else "onnx"
    return wanted if model.engine() == "onnx" else "joblib"


def limit_of(model: Model, plan: Plan) -> contextlib.AbstractContextManager[Started]:
    """Start the limit for a model's requests; it stays, idle while others are loaded."""
    environment.make(LIMIT.environment)
    return started(LIMIT, model, plan)


@contextlib.contextmanager
def pinned(cores: Cores) -> Iterator[None]:
    """Hold this process, which asks and counts, on the load generator's core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores.load})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
