"""The runners of model servers by name: `process` and `docker`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tridock.emulators.fleet import Container, ProcessRunner, Runner, Server
from tridock.emulators.place import Place
from tridock.inference.image.container import ContainerServer, Plan
from tridock.inference.image.engine import AbsentImageError, EngineError, Image, docker, inspect
from tridock.inference.process.model_server import free_port, last_lines

#: Every container of an emulator has it, with the emulator's folder.
LABEL = "tridock.emulator"
#: SageMaker «Inference pipelines», «Multi-container endpoints»: the image reads its port.
TAKES_PORT = "com.amazonaws.sagemaker.capabilities.accept-bind-to-port"
PORT = "SAGEMAKER_BIND_TO_PORT"
#: What docker itself exits with when it cannot start a container («docker run», exit status).
NOT_STARTED = 125
#: Waits for the end of its input, which comes when the emulator ends, however that ends. Then it
#: ends the emulator's containers, again and again: one may just be being made.
WATCHER = """
cat >/dev/null
for pause in 0 1 2 4; do
    sleep $pause
    ids=$(docker ps --all --quiet --filter "label=$1")
    [ -z "$ids" ] || docker rm --force $ids
done
"""


class DockerRunner:
    """The runner that starts containers of the image that a release names, and leaves none behind.

    An image with SageMaker's label for it shares this machine's network and gets its port in a
    variable, so that it reaches the emulators; any other has its own network and a published port.

    Parameters
    ----------
    owner : Path
        The emulator's folder; no two emulators share one.
    """

    def __init__(self, owner: Path) -> None:
        self._label = f"{LABEL}={owner.resolve()}"
        self._lock = threading.Lock()
        self._is_watched = False

    def start(self, container: Container, folder: Path) -> Server:
        """See `Runner.start`."""
        log = folder / "server.log"
        try:
            image = find(container.image)
            self._watch()
            return ContainerServer.start(self._plan(container, image), log)
        except EngineError as error:
            with log.open("a") as file:
                print(f"docker: {error}", file=file)
            return NeverStarted(log)

    def _plan(self, container: Container, image: Image) -> Plan:
        mounted = {container.place: container.model} if container.model and container.place else {}
        mounts = {**mounted, **container.files}
        for path in mounts.values():
            _share(path)
        return Plan(
            image.id,
            environment=container.environment,
            mounts=mounts,
            port=container.port,
            port_variable=PORT if image.labels.get(TAKES_PORT) == "true" else "",
            options=("--label", self._label),
        )

    def _watch(self) -> None:
        """Start the watcher before the first container, and end containers of an earlier run."""
        with self._lock:
            if self._is_watched:
                return
            _remove(self._label)
            _spawn_watcher(self._label)
            self._is_watched = True


@dataclass(frozen=True)
class NeverStarted:
    """A server that could not be started: ended, with the reason in its log."""

    log: Path
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """An address without a listener."""
        return f"http://127.0.0.1:{self.port}"

    def exit_code(self) -> int | None:
        """Return the code that docker itself exits with."""
        return NOT_STARTED

    def is_ready(self, route: str = "/ping", *, timeout: float = 2.0) -> bool:
        """Return False."""
        return False

    def tail(self, lines: int = 20) -> str:
        """Return the last `lines` lines of its log."""
        return last_lines(self.log, lines)

    def stop(self, *, grace: float = 30.0) -> None:
        """Do nothing: it has ended."""


def _spawn_watcher(label: str) -> None:
    """Start a watcher whose input ends when this process does, and not before.

    Not by `subprocess`: its object would have to be kept for as long as this process runs.
    """
    reading, _ = os.pipe()  # never written; children do not inherit the other end
    os.posix_spawnp(
        "sh",
        ["sh", "-c", WATCHER, "sh", label],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, reading, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    os.close(reading)


def _share(path: Path) -> None:
    """Let the user of the container read what is mounted; the state folder stays 0700."""
    for item in (path, *path.rglob("*")):
        item.chmod(item.stat().st_mode | (0o055 if item.is_dir() else 0o044))


def _remove(label: str) -> None:
    left = docker("ps", "--all", "--quiet", "--filter", f"label={label}").split()
    if left:
        docker("rm", "--force", *left)


def find(uri: str) -> Image:
    """Return this machine's image for the URI of a registry.

    The one of that very name; or else, since nothing can be pushed to an emulated registry, the
    one of its last part: ``tridock:latest`` for ``123.dkr.ecr.us-east-1.amazonaws.com/tridock``.

    Raises
    ------
    EngineError
        If there is neither; nothing is pulled. The message says what to do.
    """
    local = uri.rpartition("/")[2]
    for name in dict.fromkeys((uri, local)):
        try:
            return inspect(name)
        except AbsentImageError:
            continue
    raise EngineError(
        f"there is no image {uri} on this machine, nor {local}: make one with `make image`, "
        f"or name one so with `docker tag IMAGE {local}`"
    )


RUNNERS: Mapping[str, Callable[[Place], Runner]] = {
    "docker": lambda place: DockerRunner(place.folder),
    "process": lambda place: ProcessRunner(),
}


def runner(place: Place) -> Runner:
    """Return the runner that `place` names."""
    return RUNNERS[place.runner](place)
