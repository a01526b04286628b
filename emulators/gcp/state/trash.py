"""Folders that go at once, however much is in them."""

from __future__ import annotations

import shutil
import threading
import uuid
from contextlib import suppress
from pathlib import Path

PREFIX = ".deleted-"


def remove(folder: Path) -> None:
    """Take a folder away by its name at once, and delete its content meanwhile."""
    aside = folder.with_name(f"{PREFIX}{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        folder.rename(aside)
        threading.Thread(target=shutil.rmtree, args=(aside, True), daemon=True).start()


def empty(folder: Path) -> None:
    """Delete what a killed process had put aside in `folder`."""
    for path in folder.glob(f"{PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)
