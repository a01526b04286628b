"""Load from wrk, held on its own core."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.performance.cores import Cores
from tests.performance.errors import MeasuringError, MissingToolError

SCRIPT = Path(__file__).with_name("load.lua")
#: wrk gives an answer up after so many seconds.
TIMEOUT = 30


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw.

    Attributes
    ----------
    rate : float
        Answers a second, refusals among them.
    p50_ms, p99_ms, max_ms : float
        How long they took.
    non_2xx : int
        Answers with a status of 400 and more.
    lost : int
        Connections that failed or broke, and answers that took more than 30 s.
    """

    connections: int
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    non_2xx: int
    lost: int

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return (self.requests - self.non_2xx) / self.seconds


def check() -> None:
    """Raise MissingToolError if a program we need is missing."""
    for program, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(program) is None:
            raise MissingToolError(
                f"{program} is missing: on Debian and Ubuntu, sudo apt-get install {package}"
            )


def put(url: str, bodies: Path, *, connections: int, seconds: int, cores: Cores) -> Load:
    """Send the bodies of a file in turn over so many connections, each waiting for its answer.

    Raises
    ------
    MeasuringError
        If wrk fails.
    """
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s"]
    command += ["--timeout", f"{TIMEOUT}s", "-s", str(SCRIPT), url, "--", str(bodies)]
    try:
        done = subprocess.run(
            cores.loading(command), capture_output=True, text=True, check=True, timeout=seconds + 60
        )
    except subprocess.CalledProcessError as error:
        raise MeasuringError(
            f"wrk failed: {error.stderr.strip() or error.stdout[-200:]}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise MeasuringError("wrk did not come back: the server holds its connections") from error
    line = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
    if line is None:
        raise MeasuringError(f"wrk told nothing: {done.stdout[-200:]}")
    return Load(connections, **json.loads(line))
