"""Deployers as processes: forked warm, told what to do, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.ordeal.blows import Blow

#: Seconds that a deployer may take.
PATIENCE = 120.0
#: Seconds between two looks at it.
LOOKING = 0.05
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """How a deployer ended: exit code, negative for a signal, and all it said."""

    code: int
    said: str


class Deployers:
    """Starts deployers of one target from its stable.

    Parameters
    ----------
    target : str
        Its name.
    settings : dict
        Its settings; the environment leads to its account already.
    folder : Path
        Where each deployer's words go.
    """

    def __init__(self, target: str, settings: dict[str, str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        told = json.dumps({"target": target, "settings": settings})
        self._stable = subprocess.Popen(
            [sys.executable, "-m", "tests.ordeal.stable", told],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._count = 0

    def __enter__(self) -> Deployers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stable.communicate()

    def start(self, words: list[str], blow: Blow | None = None) -> Running:
        """Start ``python -m tridock.deploy WORDS``."""
        self._count += 1
        log = self._folder / f"{self._count}.log"
        struck = {**asdict(blow), "notes": str(blow.notes)} if blow else None
        pid = self.order({"words": words, "log": str(log), "blow": struck})
        return Running(self, int(pid), log)

    def order(self, told: dict[str, Any]) -> Any:
        """Send the stable an order and return its answer."""
        assert self._stable.stdin
        assert self._stable.stdout
        self._stable.stdin.write(json.dumps(told) + "\n")
        self._stable.stdin.flush()
        return json.loads(self._stable.stdout.readline())


@dataclass(frozen=True)
class Running:
    """A deployer at work."""

    stable: Deployers
    pid: int
    log: Path

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        found: int | None = self.stable.order({"poll": self.pid})
        return found

    def wait(self) -> Ended:
        """Return how it ended."""
        if self.wait_until(lambda: False):
            raise AssertionError("never")
        code = self.code
        if code is None:
            self.kill()
            return Ended(-1, f"{self.said()}\nit did not end within {PATIENCE:g} s")
        return Ended(code, self.said())

    def wait_until(self, met: Callable[[], bool]) -> bool:
        """Return whether `met` became true before it ended."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.code is None:
            if met():
                return True
            time.sleep(LOOKING)
        return met()

    def kill(self) -> None:
        """End it as the kernel does, without a word."""
        with suppress(ProcessLookupError):  # it was quicker
            os.kill(self.pid, signal.SIGKILL)
        while self.code is None:
            time.sleep(0.001)

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
