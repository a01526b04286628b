"""Counts by key, in memory that the worker processes of one server share."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import TypeAlias

Key: TypeAlias = tuple[str, ...]

#: Upper bounds of the buckets of durations, and of the rows of a batch.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000)

#: For each process; the kernel gives memory only to what is written.
PLACE_BYTES = 1 << 18
CELL = 8
#: Separates the parts of a key; no route, status or kind holds it.
JOINT = "\x1f"
#: Counts what there is no room to count by itself.
REST: Key = ("rest",)


class Tally:
    """Counts that one process adds to and every process of the server can read.

    Each process writes to a place of its own, so that nothing is locked. A place holds the number
    of bytes in use, and then for each key its length, its bytes, and its value. It outlives its
    process: who takes the place of a worker that died goes on counting where that one ended.

    Parameters
    ----------
    places : int
        How many processes there can be.
    """

    def __init__(self, places: int = 1) -> None:
        self._memory = mmap.mmap(-1, places * PLACE_BYTES)
        self._places = places
        self._values = memoryview(self._memory).cast("d")
        self._cells: dict[Key, int] = {}
        self.take(0)

    def take(self, place: int) -> None:
        """Count in `place` from now on; a process calls it once it was forked."""
        self._start = place * PLACE_BYTES
        self._cells = dict(self._entries(place))
        if not self._cells:
            self._new(REST)

    def add(self, key: Key, amount: float = 1.0) -> None:
        """Add `amount` to what `key` counts."""
        cell = self._cells.get(key)
        if cell is None:
            cell = self._new(key)
        self._values[cell] += amount

    def put(self, key: Key, value: float) -> None:
        """Set what `key` counts, as for a gauge."""
        self.add(key, 0.0)
        self._values[self._cells[key]] = value

    def totals(self) -> dict[Key, float]:
        """Return the sums over all processes."""
        sums: dict[Key, float] = {}
        for place in range(self._places):
            for key, cell in self._entries(place):
                if key != REST or self._values[cell]:
                    sums[key] = sums.get(key, 0.0) + self._values[cell]
        return sums

    def each(self, key: Key) -> list[float]:
        """Return what `key` counts in each place, 0 where it is not counted."""
        found = (dict(self._entries(place)).get(key) for place in range(self._places))
        return [0.0 if cell is None else self._values[cell] for cell in found]

    def _new(self, key: Key) -> int:
        """Make room for a key; the last write shows it to others, when it is complete."""
        text = JOINT.join(key).encode()
        head = struct.pack("=Q", len(text)) + text + bytes(-len(text) % CELL)
        (used,) = struct.unpack_from("=Q", self._memory, self._start)
        at = self._start + CELL + used
        end = used + len(head) + CELL
        if CELL + end > PLACE_BYTES:
            return self._cells[REST]
        self._memory[at : at + len(head)] = head
        cell: int = (at + len(head)) // CELL
        self._cells[key] = cell
        struct.pack_into("=Q", self._memory, self._start, end)
        return cell

    def _entries(self, place: int) -> Iterator[tuple[Key, int]]:
        start = place * PLACE_BYTES
        (used,) = struct.unpack_from("=Q", self._memory, start)
        at, end = start + CELL, start + CELL + used
        while at < end:
            (length,) = struct.unpack_from("=Q", self._memory, at)
            text = self._memory[at + CELL : at + CELL + length].decode()
            at += CELL + length + -length % CELL
            yield tuple(text.split(JOINT)), at // CELL
            at += CELL
