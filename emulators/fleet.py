"""Model servers behind emulated endpoints: started, held to their health route, logged, reaped."""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tridock.inference.process.model_server import ModelServer


@dataclass(frozen=True)
class Container:
    """A container that the real service would start.

    Attributes
    ----------
    image : str
        Image URI as the client gave it.
    model : Path or None
        Directory with the unpacked model data, read-only to the server.
    environment : Mapping[str, str]
        Variables of the model and of the service.
    health : str
        Route that must answer 200, e.g. ``"/ping"``.
    port : int
        Port at which a container of this service listens, unless a variable names another.
    place : str
        Where a container finds `model`; empty: it is not mounted, the container fetches it.
    files : Mapping[str, Path]
        What else is mounted, read-only: files and directories by the container's paths.
    """

    image: str
    model: Path | None
    environment: Mapping[str, str] = field(default_factory=dict)
    health: str = "/ping"
    port: int = 8080
    place: str = "/opt/ml/model"
    files: Mapping[str, Path] = field(default_factory=dict)

    def here(self) -> Mapping[str, str]:
        """Return its environment for a process of this machine, where `files` lie elsewhere."""
        return {name: self._here(value) for name, value in self.environment.items()}

    def _here(self, value: str) -> str:
        for path, local in self.files.items():
            if value == path or value.startswith(f"{path}/"):
                return f"{local}{value.removeprefix(path)}"
        return value


class Server(Protocol):
    """A started container, behind any runner."""

    @property
    def url(self) -> str:
        """Address on the loopback, without a trailing slash."""
        ...

    @property
    def log(self) -> Path:
        """File that receives its output."""
        ...

    def exit_code(self) -> int | None:
        """Return its exit code, or None while it runs."""
        ...

    def is_ready(self, route: str = "/ping", *, timeout: float = 2.0) -> bool:
        """Return whether `route` answers 200 within `timeout` seconds."""
        ...

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of its log."""
        ...

    def stop(self, *, grace: float = 30.0) -> None:
        """Drain and end it; a second call does nothing."""
        ...


class Runner(Protocol):
    """A way to start containers: as processes of this machine, or as what they are."""

    def start(self, container: Container, folder: Path) -> Server:
        """Start `container` with its log in `folder`; return without waiting for its health.

        What cannot be started is a server that has ended, with the reason in its log.
        """
        ...


class ProcessRunner:
    """Serves any image URI with our own model server, as a process of this machine."""

    def start(self, container: Container, folder: Path) -> Server:
        """See `Runner.start`."""
        return ModelServer.start(
            container.model, folder / "server.log", environment=container.here()
        )


class UnhealthyError(Exception):
    """A container ended, or did not answer its health route in time.

    The message says what happened, and ends with the last lines of the container's log.
    """


class Fleet:
    """All model servers of one emulated cloud.

    Parameters
    ----------
    folder : Path
        Where each server gets a folder of its own; emptied at start, since no server outlives us.
    runner : Runner
        What starts them.
    """

    def __init__(self, folder: Path, runner: Runner) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        self._runner = runner
        self._servers: dict[str, Server] = {}
        self._lock = threading.Lock()

    def folder(self) -> Path:
        """Make a folder for one server and return it."""
        made = self._folder / uuid.uuid4().hex[:12]
        made.mkdir()
        return made

    def start(self, container: Container, folder: Path) -> Server:
        """Start a server and return it, healthy or not yet."""
        server = self._runner.start(container, folder)
        with self._lock:
            self._servers[server.url] = server
        return server

    def wait(self, server: Server, health: str, *, timeout: float) -> None:
        """Return when `health` answers 200.

        Parameters
        ----------
        timeout : float
            Real seconds.

        Raises
        ------
        UnhealthyError
            If the server ends first, or `timeout` passes.
        """
        deadline = time.monotonic() + timeout
        while server.exit_code() is None and time.monotonic() < deadline:
            if server.is_ready(health):
                return
            time.sleep(0.05)
        code = server.exit_code()
        what = f"exited with code {code}" if code is not None else f"no answer in {timeout:g} s"
        raise UnhealthyError(f"{what}. Last lines of its log:\n{server.tail(8)}")

    def servers(self) -> tuple[Server, ...]:
        """Return those that were started and not stopped."""
        with self._lock:
            return tuple(self._servers.values())

    def stop(self, server: Server, *, grace: float = 30.0) -> None:
        """Drain and end one server, and forget it."""
        server.stop(grace=grace)
        with self._lock:
            self._servers.pop(server.url, None)

    def stop_all(self, *, grace: float = 5.0) -> None:
        """Drain and end every server at once, and return when they have ended."""
        for thread in self._stopping(grace):
            thread.join()

    def forget_all(self, *, grace: float = 5.0) -> None:
        """Drain and end every server in the background: the emulator is reset."""
        self._stopping(grace)

    def _stopping(self, grace: float) -> list[threading.Thread]:
        with self._lock:
            servers = list(self._servers.values())
            self._servers.clear()
        threads = [
            threading.Thread(target=server.stop, kwargs={"grace": grace}, daemon=True)
            for server in servers
        ]
        for thread in threads:
            thread.start()
        return threads
