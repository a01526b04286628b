"""A model server as a child process: start it, check its health, read its log, end it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: The folder that `tridock` is imported from: the checkout, site-packages, or the image's.
ROOT = str(Path(__file__).absolute().parents[3])
#: Ports for servers lie below Linux' ephemeral range, so that no outgoing connection takes one
#: between the moment it is found free and the moment the server binds it.
PORTS = range(20000, 30000)

#: What a server inherits of our environment: no credentials, no proxies; a container has none.
INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SOURCE_DATE_EPOCH")

#: SageMaker's own way to say how many processes there are.
WORKERS = "SAGEMAKER_MODEL_SERVER_WORKERS"


@dataclass(frozen=True)
class ModelServer:
    """One ``python -m tridock.inference serve`` on the loopback.

    It ends when this process does, however that ends: it watches its standard input, whose other
    end we hold (a parent-death signal would fire when the *thread* that started it ends).

    Attributes
    ----------
    process : subprocess.Popen
        The child, leader of its own process group.
    port : int
        Where it listens on 127.0.0.1.
    log : Path
        File that receives its standard output and error.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @classmethod
    def start(
        cls,
        bundle: Path | None,
        log: Path,
        *,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> ModelServer:
        """Start a server and return at once; ask `is_ready` when it answers.

        Parameters
        ----------
        bundle : Path or None
            Bundle directory; None leaves the choice to `environment`, as in a container.
        log : Path
            File to append its output to; its directory is made.
        port : int, optional
            Port on the loopback; by default a free one.
        environment : Mapping[str, str], optional
            Variables beside the few that are inherited.
        """
        port = port or free_port()
        command = [sys.executable, "-P", "-m", "tridock.inference", "serve", "--watch-stdin"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        command += ["--bundle", str(bundle)] if bundle else []
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env=_environment(environment or {}),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, port, log)

    @property
    def url(self) -> str:
        """The address, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def exit_code(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self.process.poll()

    def is_ready(self, route: str = "/ping", *, timeout: float = 2.0) -> bool:
        """Tell whether `route` answers 200 within `timeout` seconds."""
        return answers(self.url + route, timeout)

    def tail(self, lines: int = 20) -> str:
        """Return the last `lines` lines of its log."""
        return last_lines(self.log, lines)

    def stop(self, *, grace: float = 30.0) -> None:
        """Ask it to finish what it accepted, and end it after `grace` seconds. Twice is once."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


def answers(url: str, timeout: float = 2.0) -> bool:
    """Tell whether an address on the loopback answers 200 within `timeout` seconds."""
    try:
        # Without the proxies that this process may be set to.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(url, timeout=timeout) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def last_lines(log: Path, lines: int) -> str:
    """Return the last lines of a log file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """Return a port of the loopback that nothing listens on and that is not in `taken`."""
    start = int.from_bytes(os.urandom(2), "big") % len(PORTS)
    for offset in range(len(PORTS)):
        port = PORTS[(start + offset) % len(PORTS)]
        if port not in taken and _is_free(port):
            return port
    raise OSError(f"no free port in {PORTS.start}-{PORTS.stop - 1} on the loopback")


def wait_ready(server: ModelServer, *, route: str = "/ping", timeout: float = 60.0) -> bool:
    """Poll `route` until it answers 200; False when the server ends or `timeout` seconds pass."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and server.exit_code() is None:
        if server.is_ready(route):
            return True
        time.sleep(0.05)
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def importing(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables with which a child process finds `tridock` where this process found it."""
    paths = [ROOT, *filter(None, [variables.get("PYTHONPATH")])]
    return {**variables, "PYTHONPATH": os.pathsep.join(paths)}


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    # Many servers run on a developer's machine: each is one process, unless `more` says otherwise.
    few = {} if WORKERS in more else {"TRIDOCK_WORKERS": "1"}
    return kept | {"PYTHONPATH": ROOT, "PYTHONUNBUFFERED": "1"} | few | dict(more)
