"""The router as a process of its own: brought up when it is needed, and found again."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.errors import UnavailableError

#: Seconds for it to come up.
STARTUP = 30.0

#: Routers that this process started and that outlive it: kept, and looked at, so that none that
#: ends before us stays behind as a zombie.
_STARTED: list[subprocess.Popen[bytes]] = []


def find(folder: Path) -> str | None:
    """Return the address of the router that keeps `folder`, None if there is none."""
    if not _is_locked(folder / "lock"):
        return None
    with suppress(FileNotFoundError, json.JSONDecodeError):
        return str(json.loads((folder / "running.json").read_text())["url"])
    return None


def up(folder: Path) -> str:
    """Return the address of the router that keeps `folder`, starting it if there is none.

    Raises
    ------
    UnavailableError
        If it does not come up; the message ends with the last lines of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _starting(folder):
        url = find(folder)
        if url:
            return url
        process = _spawn(folder)
        deadline = time.monotonic() + STARTUP
        while time.monotonic() < deadline and process.poll() is None:
            url = find(folder)
            if url:
                return url
            time.sleep(0.02)
    process.kill()
    process.wait()
    tail = "\n".join((folder / "router.log").read_text(errors="replace").splitlines()[-8:])
    raise UnavailableError(f"the local router did not start. {folder / 'router.log'} ends:\n{tail}")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the router of a folder for the time of a block, as soon as no other is."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            withdraw(folder)


def announce(folder: Path, url: str) -> None:
    """Tell everybody where the router answers."""
    draft = folder / "running.draft"
    draft.write_text(json.dumps({"pid": os.getpid(), "url": url}))
    draft.rename(folder / "running.json")


def withdraw(folder: Path) -> None:
    """Tell nobody any more: the router is ending, and who needs one starts the next."""
    (folder / "running.json").unlink(missing_ok=True)


def _spawn(folder: Path) -> subprocess.Popen[bytes]:
    _STARTED[:] = [process for process in _STARTED if process.poll() is None]
    with (folder / "router.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", str(folder)],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _STARTED.append(process)
    return process


@contextmanager
def _starting(folder: Path) -> Iterator[None]:
    """Let one caller at a time start it; the others then find it."""
    with (folder / "starting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_locked(lock: Path) -> bool:
    """Tell whether a live router holds the lock: the kernel frees it when its process ends."""
    with suppress(FileNotFoundError), lock.open("r") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
