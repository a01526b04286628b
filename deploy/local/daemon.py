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
from typing import IO, Any

from tridock.deploy import private_files
from tridock.deploy.target.errors import TargetError, UnavailableError
from tridock.inference.process.model_server import importing

#: Seconds for it to come up.
STARTUP = 30.0

#: Routers that this process started and that outlive it: kept, and looked at, so that none that
#: ends before us stays behind as a zombie.
_STARTED: list[subprocess.Popen[bytes]] = []


def find(folder: Path) -> str | None:
    """Return the address of the router that keeps `folder`, None if there is none."""
    if not _is_locked(folder / "lock"):
        return None
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((folder / "running.json").read_text())["url"])
    return None


def secret(folder: Path) -> str:
    """Return what the router that keeps `folder` demands with each order.

    Raises
    ------
    TargetError
        If it cannot be read: another user's router, or one of another version.
    """
    path = folder / "running.json"
    try:
        return str(json.loads(path.read_text())["secret"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TargetError(
            f"{path} does not hold the secret of the local router ({error!r}): end the process "
            "that it names, which another user or another version started, and try again"
        ) from error


def up(folder: Path) -> str:
    """Return the address of the router that keeps `folder`, starting it if there is none.

    Raises
    ------
    UnavailableError
        If it does not come up; the message ends with the last lines of its log.
    """
    private_files.folder(folder)
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
    with _opened(folder / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            withdraw(folder)


def announce(folder: Path, url: str, secret: str) -> None:
    """Write down where the router answers, and its secret, for the folder's owner only."""
    facts = {"pid": os.getpid(), "url": url, "secret": secret}
    private_files.put(folder / "running.json", json.dumps(facts).encode())


def withdraw(folder: Path) -> None:
    """Withdraw the address: the router is ending, and the next command starts another."""
    (folder / "running.json").unlink(missing_ok=True)


def _spawn(folder: Path) -> subprocess.Popen[bytes]:
    _STARTED[:] = [process for process in _STARTED if process.poll() is None]
    with _opened(folder / "router.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tridock.deploy.local", str(folder.absolute())],
            env=importing(os.environ),
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
    with _opened(folder / "starting") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _opened(path: Path, mode: str = "w") -> IO[Any]:
    """Open a file for writing that its owner only may read."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, private_files.FILE))


def _is_locked(lock: Path) -> bool:
    """Tell whether a live router holds the lock: the kernel frees it when its process ends."""
    with suppress(FileNotFoundError), lock.open("r") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
