"""Model servers' output in the emulated CloudWatch Logs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from moto.logs.exceptions import LogsClientError
from moto.logs.models import logs_backends

#: Real seconds between two looks at the servers' log files.
INTERVAL = 0.3

#: Bytes taken from one file at one look.
CHUNK = 256 * 1024


class Owner(Protocol):
    """The endpoint of a log: account, region and name."""

    @property
    def account(self) -> str:
        """Account id."""
        ...

    @property
    def region(self) -> str:
        """Region name."""
        ...

    @property
    def endpoint(self) -> str:
        """Endpoint name."""
        ...


@dataclass
class _Followed:
    owner: Owner
    stream: str
    path: Path
    offset: int = 0
    rest: bytes = b""


def group_name(endpoint: str) -> str:
    """Return the log group of an endpoint (Developer Guide, "Log groups and streams")."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


class Logs:
    """The thread that copies log files to CloudWatch Logs until they are finished."""

    def __init__(self) -> None:
        self._followed: dict[Path, _Followed] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def start(self) -> None:
        """Start the thread, which reads the files every `INTERVAL`."""
        threading.Thread(target=self._run, name="logs", daemon=True).start()

    def stop(self) -> None:
        """Stop the thread."""
        self._ended.set()

    def follow(self, owner: Owner, stream: str, path: Path) -> None:
        """Copy what is written to `path` into `stream` of the endpoint's log group."""
        with self._lock:
            self._followed[path] = _Followed(owner, stream, path)

    def finish(self, path: Path) -> None:
        """Copy what is left in `path` and forget it."""
        with self._lock:
            followed = self._followed.pop(path, None)
            if followed:
                _copy(followed, last=True)

    def clear(self) -> None:
        """Forget every file."""
        with self._lock:
            self._followed.clear()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            with self._lock:
                for followed in self._followed.values():
                    _copy(followed)


def _copy(followed: _Followed, *, last: bool = False) -> None:
    more = True
    while more:
        with suppress(FileNotFoundError), followed.path.open("rb") as file:
            file.seek(followed.offset)
            data = file.read(CHUNK)
            followed.offset += len(data)
            *lines, followed.rest = (followed.rest + data).split(b"\n")
            more = bool(data)
            if last and not more and followed.rest:
                lines.append(followed.rest)
            _put(followed, [line.decode(errors="replace") for line in lines if line])
            continue
        more = False


def _put(followed: _Followed, lines: list[str]) -> None:
    if not lines:
        return
    backend = logs_backends[followed.owner.account][followed.owner.region]
    group, now = group_name(followed.owner.endpoint), int(time.time() * 1000)
    _make(lambda: backend.create_log_group(group, {}))
    _make(lambda: backend.create_log_stream(group, followed.stream))
    events = [{"timestamp": now, "message": line} for line in lines]
    backend.put_log_events(group, followed.stream, events)


def _make(create: Callable[[], object]) -> None:
    """Create a group or stream that may exist already."""
    with suppress(LogsClientError):
        create()
