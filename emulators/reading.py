"""Reading the emulators' logs, as they stand or as they grow."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Real seconds between two looks at growing files.
INTERVAL = 0.2


def read(path: Path) -> str:
    """Return a log, or nothing if there is none yet."""
    return path.read_text(errors="replace") if path.exists() else ""


def follow(paths: Sequence[Path]) -> Iterator[str]:
    """Yield what stands in the logs, and then what comes, without end."""
    offsets = dict.fromkeys(paths, 0)
    while True:
        for path in paths:
            text = _from(path, offsets[path])
            offsets[path] += len(text)
            if text:
                yield text.decode(errors="replace")
        time.sleep(INTERVAL)


def _from(path: Path, offset: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as log:
        log.seek(offset)
        return log.read()
