"""A server as a group of processes: started, paused, weighed, ended with all its children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tridock.inference.process.model_server import INHERITED

MB = 1e6
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Memory:
    """What a group holds, in MB of a million bytes.

    Attributes
    ----------
    rss, pss : float
        Summed over its processes; PSS counts a page that n of them share as one n-th.
    processes : int
        How many there are.
    """

    rss: float
    pss: float
    processes: int


@dataclass(frozen=True)
class Running:
    """One server and its children.

    Attributes
    ----------
    process : subprocess.Popen
        The first process, leader of a session.
    began : float
        When it was started, by `time.perf_counter`.
    log : Path
        Its standard output and error.
    """

    process: subprocess.Popen[bytes]
    began: float
    log: Path

    @classmethod
    def start(
        cls, command: list[str], folder: Path, *, variables: Mapping[str, str], log: Path
    ) -> Running:
        """Start `command` in `folder`, with nothing of our environment but what it needs."""
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        with log.open("wb") as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=kept | {"HOME": str(folder)} | dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, began, log)

    def pids(self) -> list[int]:
        """Return the processes of its session and all who descend from them, paused ones too."""
        return group(self.process.pid)

    def memory(self) -> Memory:
        """Weigh the group."""
        pids = self.pids()
        return Memory(sum(map(_rss, pids)) / MB, sum(map(_pss, pids)) / MB, len(pids))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the whole group for a while, so that an idle loop of it disturbs nobody."""
        pids = self.pids()
        _signal(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(pids, signal.SIGCONT)

    def tail(self) -> str:
        """Return the last line of its log that says something."""
        lines = self.log.read_text(errors="replace").splitlines()
        told = [line.strip() for line in lines if line.strip()]
        return told[-1][:200] if told else "its log is empty"

    def stop(self, *, grace: float = 5.0) -> None:
        """Ask it to end, and end whatever is left of it after `grace` seconds."""
        pids = self.pids()
        if self.process.poll() is None and grace:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace)
        _signal({*pids, *self.pids()}, signal.SIGKILL)
        self.process.wait()


def group(leader: int) -> list[int]:
    """Return the session of `leader` and all descendants, also those in sessions of their own."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (stat := _stat(int(entry.name))):
            parents[int(entry.name)], session = stat
            if session == leader or int(entry.name) == leader:
                found.add(int(entry.name))
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def _stat(pid: int) -> tuple[int, int] | None:
    """Return parent and session (Linux, proc_pid_stat(5)); None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (int(fields[1]), int(fields[3]))


def _rss(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _signal(pids: list[int] | set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
