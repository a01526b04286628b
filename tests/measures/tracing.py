"""Which of our files Python runs through, noted while it is wanted."""

from __future__ import annotations

import inspect
import json
import mmap
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from tests.measures.sources import ROOMS, ROOT

#: What the names of our files begin with, as the import system has them.
PREFIX = f"{ROOT}/tridock/"
PREFIXES = tuple(f"{PREFIX}{room}/" for room in ROOMS)


@dataclass(frozen=True)
class Way:
    """The way of one request or command through the files.

    Attributes
    ----------
    files : tuple of str
        Those in which something was called, in order.
    hops : int
        Calls that go to another file than the call before.
    pairs : int
        Different hops: waiting, which calls the same again and again, adds none.
    """

    files: tuple[str, ...]
    hops: int
    pairs: int


def way(calls: Sequence[str]) -> Way:
    """Return the way of a sequence of calls, each named by its file."""
    hops = [(a, b) for a, b in zip(calls, calls[1:], strict=False) if a != b]
    return Way(tuple(dict.fromkeys(calls)), len(hops), len(set(hops)))


class Tracer:
    """Notes the file of each call of ours, in all threads of this process.

    Parameters
    ----------
    flag : Path
        A file of one byte, which another process may change, too: the number of the request that
        is noted, or 0 for none.
    to : Path
        Receives a line of JSON for each number: the files of the calls.
    """

    def __init__(self, flag: Path, to: Path) -> None:
        with flag.open("r+b") as file:
            self.flag = mmap.mmap(file.fileno(), 1)
        self._to = to
        self._number = 0
        self._calls: list[str] = []

    def start(self) -> None:
        """Begin to look at the flag, at each call."""
        threading.setprofile(self._look)
        sys.setprofile(self._look)

    def stop(self) -> None:
        """Look no more, and write what was noted."""
        sys.setprofile(None)
        threading.setprofile(None)
        self._change(0)

    def _look(self, frame: FrameType, event: str, _: Any) -> None:
        number = self.flag[0]
        if number != self._number:
            self._change(number)
        # The bodies of modules and of classes run once, when they are imported.
        if number and event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            file = frame.f_code.co_filename
            if file.startswith(PREFIXES):
                self._calls.append(file.removeprefix(PREFIX))

    def _change(self, number: int) -> None:
        """Write what was noted, and begin the next number."""
        calls, self._calls, self._number = self._calls, [], number
        if calls:
            with self._to.open("a") as output:
                output.write(f"{json.dumps(calls)}\n")
