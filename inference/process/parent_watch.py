"""A child that ends with its parent: the end of its standard input says that the parent is gone."""

from __future__ import annotations

import os
import signal
import threading
import time

#: Seconds that the orderly end may take: no caller waits for answers any more.
GRACE_SECONDS = 1.0


def watch_stdin() -> None:
    """End this process when its standard input is closed, from now on."""
    threading.Thread(target=_watch, daemon=True, name="watch-stdin").start()


def _watch() -> None:
    while _read():
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(0)


def _read() -> bytes:
    try:
        return os.read(0, 4096)
    except OSError:
        return b""
