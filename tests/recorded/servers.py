"""Bundles and real model servers, and their answers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from tests.recorded import bodies, others, routes, tensors
from tests.recorded.exchange import Shot, send
from tests.recorded.fixed import ROOT, fixed
from tests.recorded.record import Record

#: Bundles that are made in this second have the same digest whenever they are made.
EPOCH = "1700000000"
#: Seconds for a server to come up.
STARTUP = 120.0
#: Members of a line about a request that differ from run to run.
CHANGING = {"time", "ms", "request_id"}


@dataclass(frozen=True)
class Server:
    """A server to start, and what to send it.

    Attributes
    ----------
    name : str
        What its records are named by.
    bundle : str
        The folder of its bundle.
    shots : iterable of Shot
        In this order.
    variables : Mapping of str to str
        Its settings.
    is_ready : bool
        Whether its model comes to be loaded.
    """

    name: str
    bundle: str
    shots: Iterable[Shot]
    variables: Mapping[str, str] = field(default_factory=dict)
    is_ready: bool = True


SET_UP = {
    "AIP_HEALTH_ROUTE": "/aip/health",
    "AIP_PREDICT_ROUTE": "/aip/predict",
    "TRIDOCK_ROOT_PATH": "/models/iris",
    "TRIDOCK_CORS_ORIGINS": "https://page.example",
    "TRIDOCK_MAX_BODY_BYTES": "1500",
    "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
}
HURRIED = {"TRIDOCK_HEAD_SECONDS": "0.5", "TRIDOCK_BODY_SECONDS": "0.5"}


def servers() -> tuple[Server, ...]:
    """Return the servers in the order in which they are started."""
    iris = chain(
        routes.shots("iris", "1"),
        routes.methods(),
        routes.framing(others.IRIS),
        bodies.shots(),
        tensors.shots(),
    )
    fitted = chain(bodies.shots(), tensors.shots())
    return (
        Server("iris", "iris", iris),
        Server("iris, joblib", "iris", fitted, {"TRIDOCK_ENGINE": "joblib"}),
        Server("loan", "loan", chain(routes.shots("loan", "1"), others.loan())),
        Server("spam", "spam", chain(routes.shots("spam", "1"), others.spam())),
        Server("own", "own", chain(routes.shots("own", "1"), others.script())),
        Server("set up", "iris", others.set_up(), SET_UP),
        Server("hurried", "iris", others.hurried(), HURRIED),
        Server("loading", "slow", others.loading(), is_ready=False),
    )


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a process: none of ours but what finds Python's own files."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    own = {
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
        "PYTHONPATH": ROOT,
        "PYTHONUNBUFFERED": "1",
        "SOURCE_DATE_EPOCH": EPOCH,
        "TRIDOCK_WORKERS": "1",
        "TRIDOCK_PREDICTIONS_SECONDS": "3600",
    }
    return {**kept, **own, **(more or {})}


def make_bundles(folder: Path) -> None:
    """Train the examples, and package the scripts, by the doors that users have.

    Raises
    ------
    subprocess.CalledProcessError
        If one cannot be made.
    """
    for name in ("iris", "loan", "spam"):
        run_door(folder, f"tridock.examples.{name}.train", "--out", str(folder / name))
    for name, source in (("own", others.SCRIPT), ("slow", others.SLOW)):
        script = folder / f"{name}.py"
        script.write_text(source)
        words = ("--script", str(script), "--name", "own", "--out", str(folder / name))
        run_door(folder, "tridock", "package", *words)


def run_door(folder: Path, *words: str) -> None:
    """Run a module of the kit with the words of its command line.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    command = [sys.executable, "-m", *words]
    variables = environment(folder)
    subprocess.run(command, env=variables, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def answers(folder: Path) -> Iterator[Record]:
    """Yield the answers of all servers, each followed by what it wrote about its requests."""
    places = {str(folder): "FOLDER"} | _varying_digest(folder / "spam")
    for server in servers():
        log = folder / f"{server.name}.log"
        with started(server, folder, log) as port:
            for shot in server.shots:
                yield from send(port, shot, server=server.name, places=places)
        yield from _logged(server.name, log, places)


def _varying_digest(bundle: Path) -> dict[str, str]:
    """Return a bundle's digest and its beginning: no two pickles of this model are equal."""
    digest = json.loads((bundle / "manifest.json").read_text())["digest"]
    return {digest: "DIGEST", digest[:12]: "DIGEST"}


@contextmanager
def started(
    server: Server, folder: Path, log: Path, *, door: Sequence[str] = ("tridock.inference",)
) -> Iterator[int]:
    """Run a server inside a block, and give its port.

    Parameters
    ----------
    server : Server
        Its bundle and its settings.
    folder : Path
        Holds the bundles.
    log : Path
        Receives what it writes.
    door : sequence of str
        The module to run, and words before its own.
    """
    port = _free_port()
    command = [sys.executable, "-m", *door, "serve", "--host", "127.0.0.1", "--watch-stdin"]
    command += ["--port", str(port), "--bundle", str(folder / server.bundle)]
    variables = environment(folder, server.variables)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdin=subprocess.PIPE, stdout=output, stderr=output
        )
    try:
        _wait(process, port, server)
        yield port
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()


def _wait(process: subprocess.Popen[bytes], port: int, server: Server) -> None:
    """Wait until the server answers `/ping` as it is to.

    Raises
    ------
    RuntimeError
        If it ends, or does not answer in time.
    """
    wanted = b"200" if server.is_ready else b"503"
    deadline = time.monotonic() + STARTUP
    while time.monotonic() < deadline and process.poll() is None:
        if _status(port) == wanted:
            return
        time.sleep(0.1)
    raise RuntimeError(f"server {server.name!r} does not answer (exit code {process.poll()})")


def _status(port: int) -> bytes:
    """Return the status that `/ping` answers, or nothing while the server does not listen."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /ping HTTP/1.1\r\nhost: model\r\n\r\n")
            return connection.recv(12)[9:]
    except OSError:
        return b""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _logged(name: str, log: Path, places: dict[str, str]) -> Iterator[Record]:
    """Yield what a server wrote: its lines about requests, without those that polled it."""
    number = 0
    for line in log.read_text(errors="replace").splitlines():
        entry = _entry(line)
        if entry is None or entry.get("event") == "predictions" or entry.get("route") == "/ping":
            continue
        number += 1
        changing = CHANGING | ({"bytes_out"} if entry.get("route") == "/metrics" else set())
        entry = {key: "N" if key in changing else value for key, value in entry.items()}
        yield Record(f"{name} log {number:03}", {"line": fixed(json.dumps(entry), places)})


def _entry(line: str) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
