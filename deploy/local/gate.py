"""One process at a time in a folder, and files that are whole or not there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tridock.deploy import private_files


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time compare and write; the kernel frees what a killed one held."""
    private_files.folder(folder)
    descriptor = os.open(folder / ".changing", os.O_WRONLY | os.O_CREAT, private_files.FILE)
    with os.fdopen(descriptor, "w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def put(path: Path, body: bytes) -> None:
    """Write a file in one step; a reader meanwhile reads the one before."""
    private_files.folder(path.parent)
    private_files.put(path, body)
