"""Files and folders of a state folder: readable by their owner only."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

FOLDER, FILE = 0o700, 0o600


def folder(path: Path) -> Path:
    """Make a folder and the missing ones above it, and return it; one that is there is closed.

    Folders above it that others made keep their permissions.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        with suppress(FileExistsError):  # another process was quicker
            each.mkdir(mode=FOLDER)
    path.chmod(FOLDER)
    return path


def put(path: Path, body: bytes) -> None:
    """Write a file in one step; a reader meanwhile gets the one before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        draft.rename(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        error.filename = str(path)  # What a full disk refuses has no name.
        raise


def copy(source: Path, to: Path) -> Path:
    """Copy a folder with all it holds to a place that is not there yet, and return it."""
    shutil.copytree(source, to, copy_function=shutil.copyfile)
    close(to)
    return to


def close(path: Path) -> None:
    """Let only its owner read a folder and all it holds."""
    path.chmod(FOLDER)
    for each in path.rglob("*"):
        each.chmod(FOLDER if each.is_dir() else FILE)
