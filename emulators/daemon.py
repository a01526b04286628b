"""Bring an emulated cloud up as a process of its own, find it again, and take it down."""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from emulators.errors import NotRunningError, StartError
from emulators.place import Place


@dataclass(frozen=True)
class Running:
    """An emulator that answers.

    Attributes
    ----------
    pid : int
        Its process.
    environment : Mapping[str, str]
        Variables that lead unmodified clients to it.
    """

    pid: int
    environment: Mapping[str, str]


def find(place: Place) -> Running | None:
    """Return the emulator that runs at `place`, if one answers."""
    if not _is_locked(place):
        return None
    try:
        record = json.loads(place.running.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return Running(record["pid"], record["environment"])


def up(place: Place, *, timeout: float = 60.0) -> Running:
    """Start the emulator unless it runs already, and return when it answers.

    Parameters
    ----------
    timeout : float
        Real seconds to wait for its first answer.

    Raises
    ------
    StartError
        If it ends first or does not answer in time; nothing is left running.
    """
    with _starting(place):
        running = find(place)
        if running:
            return running
        process = _spawn(place)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and process.poll() is None:
            running = find(place)
            if running:
                return running
            time.sleep(0.05)
    process.kill()
    process.wait()
    tail = "\n".join(place.log.read_text(errors="replace").splitlines()[-8:])
    raise StartError(f"the {place.cloud} emulator did not start. {place.log} ends:\n{tail}")


def down(place: Place, *, timeout: float = 40.0) -> bool:
    """End the emulator and its model servers; False if none ran."""
    running = find(place)
    if not running:
        return False
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while _is_locked(place) and time.monotonic() < deadline:
        time.sleep(0.05)
    if _is_locked(place):
        os.kill(running.pid, signal.SIGKILL)
    return True


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
            f"the {place.cloud} emulator is not up: python -m emulators up {place.cloud}"
        )
    return running.environment


def serve(place: Place) -> None:
    """Be the emulator: hold its lock, answer until a signal, leave nothing behind.

    Raises
    ------
    StartError
        If another process holds the lock.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    place.running.unlink(missing_ok=True)
    with (place.folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"another {place.cloud} emulator uses {place.folder}") from None

        def ready(variables: Mapping[str, str]) -> None:
            record = {"pid": os.getpid(), "environment": dict(variables)}
            draft = place.running.with_suffix(".draft")
            draft.write_text(json.dumps(record, indent=2))
            draft.rename(place.running)

        try:
            importlib.import_module(f"emulators.{place.cloud}").serve(place, ready)
        finally:
            place.running.unlink(missing_ok=True)


def _spawn(place: Place) -> subprocess.Popen[bytes]:
    place.folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "emulators", "serve", place.cloud]
    command += ["--state", str(place.state), "--runner", place.runner, "--speed", str(place.speed)]
    with place.log.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def _starting(place: Place) -> Iterator[None]:
    """Let one caller at a time start this emulator; the others then find it."""
    place.folder.mkdir(parents=True, exist_ok=True)
    with (place.folder / "starting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_locked(place: Place) -> bool:
    """Tell whether a live emulator holds the lock: the kernel frees it when its process ends."""
    with suppress(FileNotFoundError), (place.folder / "lock").open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
