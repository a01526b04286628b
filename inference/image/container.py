"""A model server as a container: start it as a cloud would, check its health, end it."""

from __future__ import annotations

import math
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tridock.inference.image.engine import EngineError, docker
from tridock.inference.process.model_server import answers, free_port, last_lines


@dataclass(frozen=True)
class Plan:
    """Options of a container's start.

    Attributes
    ----------
    image : str
        Name or digest of an image on this machine.
    arguments : tuple of str
        Words after the image's entry point.
    environment : Mapping[str, str]
        Variables.
    mounts : Mapping[str, Path]
        Directories of this machine, read-only, by the path at which the container finds them.
    port : int
        Where the container listens, in a network of its own.
    port_variable : str
        Variable that sets the container's port; it then shares this machine's network, and
        reaches what listens on its loopback. Empty: it has its own network, and one published port.
    options : tuple of str
        More of ``docker create``, e.g. ``("--read-only", "--memory", "512m")``.
    """

    image: str
    arguments: tuple[str, ...] = ("serve",)
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, Path] = field(default_factory=dict)
    port: int = 8080
    port_variable: str = ""
    options: tuple[str, ...] = ()

    def words(self, port: int) -> Iterator[str]:
        """Yield the words of ``docker create`` that make it listen at `port` of the loopback."""
        yield from self.options
        variables = dict(self.environment)
        if self.port_variable:
            # Ours then listens on the loopback alone, and not on every network of this machine.
            variables |= {self.port_variable: str(port), "TRIDOCK_HOST": "127.0.0.1"}
            yield from ("--network", "host")
        else:
            yield from ("--publish", f"127.0.0.1:{port}:{self.port}")
        for name, value in variables.items():
            yield from ("--env", f"{name}={value}")
        for path, folder in self.mounts.items():
            yield from ("--mount", f"type=bind,source={folder.resolve()},target={path},readonly")
        yield self.image
        yield from self.arguments


@dataclass(frozen=True)
class ContainerServer:
    """One started container.

    Attributes
    ----------
    name : str
        Its name at the engine.
    port : int
        Where it is reached on 127.0.0.1.
    log : Path
        File that receives its output.
    client : subprocess.Popen
        ``docker start --attach``: ends when the container does, with its exit code.
    """

    name: str
    port: int
    log: Path
    client: subprocess.Popen[bytes]

    @classmethod
    def start(cls, plan: Plan, log: Path) -> ContainerServer:
        """Start a container and return at once; ask `is_ready` when it answers.

        It is made first and started then, so that a search for containers to end finds it.

        Raises
        ------
        EngineError
            If it cannot be made: no such image, no engine.
        """
        name, port = f"tridock-{uuid.uuid4().hex[:12]}", free_port()
        docker("create", "--rm", "--name", name, *plan.words(port))
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            client = subprocess.Popen(
                ["docker", "start", "--attach", name],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, port, log, client)

    @property
    def url(self) -> str:
        """The address, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def exit_code(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self.client.poll()

    def is_ready(self, route: str = "/ping", *, timeout: float = 2.0) -> bool:
        """Tell whether `route` answers 200 within `timeout` seconds."""
        return answers(self.url + route, timeout)

    def tail(self, lines: int = 20) -> str:
        """Return the last `lines` lines of its log."""
        return last_lines(self.log, lines)

    def terminate(self) -> None:
        """Send it SIGTERM, as every platform does first, and return at once."""
        with suppress(EngineError):  # it has ended meanwhile
            docker("kill", "--signal", "TERM", self.name)

    def stop(self, *, grace: float = 30.0) -> None:
        """Ask it to finish what it accepted, and end it after `grace` seconds. Twice is once."""
        if self.client.poll() is None:
            with suppress(EngineError):  # it has ended meanwhile
                seconds = math.ceil(grace)
                docker("stop", "--time", str(seconds), self.name, patience=seconds + 60)
        with suppress(EngineError):  # what has ended is removed already
            docker("rm", "--force", self.name)
        self.client.wait()
