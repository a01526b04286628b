"""The processes of this machine, as Linux tells of them: `ps` is not everywhere."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def command_lines(*words: str) -> list[str]:
    """Return the command lines that contain all of `words`; a process that has ended has none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            found.append(process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [line for line in found if all(word in line for word in words)]
