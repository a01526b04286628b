"""One process at a time in a folder, and files that are whole or not there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time compare and write; the kernel frees what a killed one held."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".changing").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def put(path: Path, body: bytes) -> None:
    """Write a file in one step; whoever reads meanwhile reads the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(body)
    draft.rename(path)
