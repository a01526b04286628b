"""Bring an emulated cloud up as a process of its own, find it again, and take it down."""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tridock.emulators.access import secret, token_name
from tridock.emulators.errors import MissingPackageError, NotRunningError, StartError
from tridock.emulators.place import Place, remove_drafts, write_whole
from tridock.inference import extras
from tridock.inference.process.model_server import importing

log = logging.getLogger(__name__)
#: What each cloud's emulator imports that the base may lack.
NEEDS = {
    "aws": ("boto3", "moto", "flask", "cryptography"),
    "azure": ("cryptography",),
    "gcp": ("grpc", "google_crc32c", "cryptography"),
}


@dataclass(frozen=True)
class Running:
    """An emulator that answers.

    Attributes
    ----------
    pid : int
        Its process.
    environment : Mapping[str, str]
        Variables that lead unmodified clients to it.
    started : float
        When it first answered, seconds since 1970.
    removed : tuple of str
        Patterns of the variables that would lead clients elsewhere.
    """

    pid: int
    environment: Mapping[str, str]
    started: float
    removed: tuple[str, ...] = ()

    def unset(self, names: Iterable[str]) -> list[str]:
        """Return the names of a caller's variables that must be removed."""
        others = [name for name in names if name not in self.environment]
        return [name for name in others if any(fnmatchcase(name, p) for p in self.removed)]

    def applied(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return a caller's variables, changed so that its clients come to this emulator."""
        unset = self.unset(variables)
        kept = {name: value for name, value in variables.items() if name not in unset}
        return {**kept, **self.environment}


def find(place: Place) -> Running | None:
    """Return the emulator that runs at `place`, if one answers."""
    if not _is_locked(place):
        return None
    try:
        record = json.loads(place.running.read_text())
        started = place.running.stat().st_mtime
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    variables = record["environment"]
    exported = {name: value for name, value in variables.items() if value is not None}
    removed = tuple(name for name in variables if name not in exported)
    return Running(record["pid"], exported, started, removed)


def up(place: Place, *, timeout: float = 90.0) -> Running:
    """Start the emulator unless it runs already, and return when it answers.

    Parameters
    ----------
    timeout : float
        Real seconds to wait for its first answer.

    Raises
    ------
    StartError
        If it ends first or does not answer in time; nothing is left running. If it runs already,
        with another runner.
    """
    with _starting(place):
        running = find(place)
        if running:
            _check_runner(place)
            return running
        _check_built(place)
        _check_installed(place)
        pid = _spawn(place)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and not _has_ended(pid):
            running = find(place)
            if running:
                return running
            time.sleep(0.05)
        _kill(pid)
    tail = "\n".join(place.log.read_text(errors="replace").splitlines()[-8:])
    tail = tail or "(with nothing: is its disk full?)"
    raise StartError(f"the {place.cloud} emulator did not start. {place.log} ends:\n{tail}")


def down(place: Place, *, timeout: float = 40.0) -> bool:
    """End the emulator and its model servers; False if none ran.

    Parameters
    ----------
    timeout : float
        Real seconds for it to end by itself; then it is killed.
    """
    with _starting(place):
        pid = _holder(place)
        if pid is None:
            return False
        _signal(pid, signal.SIGTERM)
        if not _is_free_within(place, timeout):
            _kill(pid)
            _is_free_within(place, 5.0)
        _has_ended(pid)
        return True


def notices(place: Place) -> list[str]:
    """Return the emulator's warnings at its start, for people."""
    try:
        return place.notices.read_text().splitlines()
    except FileNotFoundError:
        return []


def environment(place: Place) -> Mapping[str, str]:
    """Return the variables that lead clients to the emulator at `place`.

    Raises
    ------
    NotRunningError
        If it is not up.
    """
    running = find(place)
    if not running:
        raise NotRunningError(
            f"the {place.cloud} emulator is not up: tridock emulators up {place.cloud}"
        )
    return running.environment


def serve(place: Place) -> None:
    """Run the emulator: hold its lock, answer until a signal, end every process of its own.

    Raises
    ------
    StartError
        If another process holds the lock.
    """
    os.umask(0o077)
    place.make()
    place.running.unlink(missing_ok=True)
    place.notices.unlink(missing_ok=True)
    with (place.folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"another {place.cloud} emulator uses {place.folder}") from None
        lock.truncate(0)
        print(os.getpid(), file=lock, flush=True)
        remove_drafts(place.folder)
        write_whole(place.chosen, place.runner.encode())

        if place.any_credentials:
            log.warning("started with --any-credentials: clients may bring their own")
        token = {token_name(place.cloud): secret(place.folder)}

        def ready(variables: Mapping[str, str | None]) -> None:
            record = {"pid": os.getpid(), "environment": {**variables, **token}}
            write_whole(place.running, json.dumps(record, indent=2).encode())

        try:
            importlib.import_module(f"tridock.emulators.{place.cloud}").serve(place, ready)
        finally:
            place.running.unlink(missing_ok=True)


def _check_built(place: Place) -> None:
    spec = importlib.util.find_spec(f"tridock.emulators.{place.cloud}")
    if spec is None or spec.origin is None:
        raise StartError(f"there is no {place.cloud} emulator in this checkout yet")


def _check_runner(place: Place) -> None:
    other = place.remembered()
    if other != place.runner:
        raise StartError(
            f"the {place.cloud} emulator is up with the runner {other}: to have {place.runner}, "
            f"end it first with tridock emulators down {place.cloud}"
        )


def _check_installed(place: Place) -> None:
    if absent := extras.missing(NEEDS[place.cloud]):
        how = extras.command(NEEDS[place.cloud])
        raise MissingPackageError(
            f"the {place.cloud} emulator needs {', '.join(absent)}, not installed here: {how}"
        )


def _spawn(place: Place) -> int:
    """Start the emulator in a session of its own and return its process id.

    Not by `subprocess`: its object would have to be kept for as long as the emulator runs.
    """
    place.make()
    command = [sys.executable, "-P", "-m", "tridock.emulators", "serve", place.cloud]
    command += ["--state", str(place.state), "--runner", place.runner, "--speed", str(place.speed)]
    command += ["--any-credentials"] if place.any_credentials else []
    log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        sys.executable,
        command,
        _without_proxies(os.environ),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(place.log), log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _without_proxies(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a process that talks to this machine only, and finds our code."""
    return importing(
        {name: text for name, text in variables.items() if not name.lower().endswith("_proxy")}
    )


def _has_ended(pid: int) -> bool:
    """Return whether a child of ours has ended, and reap it."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False  # another process started it


def _kill(pid: int) -> None:
    _signal(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _holder(place: Place) -> int | None:
    """Return the process that holds the lock, also one that does not answer yet."""
    if not _is_locked(place):
        return None
    running = find(place)
    if running:
        return running.pid
    with suppress(FileNotFoundError, ValueError):
        return int((place.folder / "lock").read_text())
    return None


def _is_free_within(place: Place, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while _is_locked(place) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _is_locked(place)


@contextmanager
def _starting(place: Place) -> Iterator[None]:
    """Let one caller at a time start this emulator; the others then find it."""
    place.make()
    with (place.folder / "starting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_locked(place: Place) -> bool:
    """Return whether a live emulator holds the lock: the kernel frees it when its process ends."""
    with suppress(FileNotFoundError), (place.folder / "lock").open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
