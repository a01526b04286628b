"""Answers of deployments, kept in the router's memory for judges and comparisons."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tridock.deploy.target.metrics import Answer, predictions

#: Answers of each deployment that are kept, and the longest whose predictions are, in bytes.
KEPT, LONGEST = 100_000, 65_536


@dataclass
class Record:
    """The last answers of one deployment, each with the time of its request, oldest first."""

    kept: deque[tuple[float, Answer]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def since(self, moment: float) -> list[Answer]:
        """Return the answers to requests of `moment`, seconds of the epoch, or later."""
        newest = itertools.takewhile(lambda one: one[0] >= moment, reversed(self.kept))
        return [answer for _, answer in newest][::-1]

    def lose(self) -> None:
        """Count a request that came while no server could answer it."""
        self.kept.append((time.time(), Answer("", (), 0.0, 0)))

    @contextmanager
    def entry(self, request: str) -> Iterator[Entry]:
        """Give an entry to fill in; keep it when the block ends, however that is."""
        began, start = time.time(), time.perf_counter()
        entry = Entry()
        try:
            yield entry
        finally:
            took = (time.perf_counter() - start) * 1000
            predicted = predictions(bytes(entry.body)) if 200 <= entry.status < 300 else ()
            self.kept.append((began, Answer(request, predicted, took, entry.status)))


@dataclass
class Entry:
    """An answer as it comes in.

    Attributes
    ----------
    status : int
        HTTP status, 0 while there is none.
    body : bytearray
        Its beginning, or nothing once it is too long to be read.
    """

    status: int = 0
    body: bytearray = field(default_factory=bytearray)

    def take(self, chunk: bytes) -> None:
        """Add the next part of the body."""
        if self.status and len(self.body) + len(chunk) <= LONGEST:
            self.body += chunk
        elif self.body:
            self.body.clear()
