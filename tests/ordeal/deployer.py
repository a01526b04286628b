"""Deployers as processes: forked warm, told what to do, killed."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

#: Seconds that a deployer may take.
PATIENCE = 120.0


@dataclass(frozen=True)
class Blow:
    """What happens to a deployer of a target without an emulator: at its n-th verb.

    Attributes
    ----------
    kind : str
        One of `tests.ordeal.blows`; empty for nothing.
    nth : int
        From 1.
    notes : Path
        File that receives the verbs, one a line, and what was met.
    """

    kind: str
    nth: int
    notes: Path


@dataclass(frozen=True)
class Ended:
    """How a deployer ended: exit code, negative for a signal, and all it said."""

    code: int
    said: str


class Deployers:
    """Starts deployers from a warm fork server, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.ordeal.warm"])
        self._count = 0

    def start(self, words: list[str], blow: Blow | None = None) -> Running:
        """Start ``python -m deploy WORDS``."""
        self._count += 1
        log = self._folder / f"{self._count}.log"
        process = self._context.Process(target=_be, args=(words, log, blow))
        process.start()
        return Running(process, log)


@dataclass(frozen=True)
class Running:
    """A deployer at work."""

    process: ForkServerProcess
    log: Path

    def wait(self) -> Ended:
        """Return how it ended."""
        self.process.join(PATIENCE)
        if self.process.exitcode is None:
            self.kill()
            return Ended(-1, f"{self.said()}\nit did not end within {PATIENCE:g} s")
        return Ended(self.process.exitcode, self.said())

    def wait_until(self, met: Callable[[], bool]) -> bool:
        """Return whether `met` became true before it ended."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.exitcode is None:
            if met():
                return True
            time.sleep(0.005)
        return met()

    def kill(self) -> None:
        """End it as the kernel does, without a word."""
        self.process.kill()
        self.process.join()

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def _be(words: list[str], log: Path, blow: Blow | None) -> None:
    """Be ``python -m deploy WORDS`` with a target that is open already."""
    import random

    from deploy.__main__ import main
    from deploy.config import Config
    from deploy.progress import Progress
    from deploy.retry import Patient, Policy
    from deploy.session import Session
    from tests.ordeal import warm
    from tests.ordeal.blows import struck

    random.seed()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(output, number)
    target = warm.TARGET
    assert target
    if blow:
        target = struck(target, blow)
    patient = Patient(target, Policy(patience=30.0, first=0.02, longest=1.0))

    def connect(config: Config, say: Progress, *, live: bool) -> Session:
        config = replace(config, settings={**config.settings, **warm.SETTINGS})
        return Session(config, warm.CLOUD, patient, live, say)

    code = main(words, connect=connect)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
