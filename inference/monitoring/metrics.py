"""Metrics of the server: counts for Prometheus, and a line of JSON for each request."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import struct
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import BinaryIO, TypeAlias

import orjson

from tridock.inference.messages import RequestRecord

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
#: A bucket's key ends with its place among the bounds.
PLACES = tuple(map(str, range(len(SECONDS) + 1)))
#: Lines that are written at once: what is longer than PIPE_BUF, 4,096 bytes, may be torn by
#: what another process writes (POSIX, «write»).
LINES = 12

#: A request that was answered, and how many seconds that took.
Ended: TypeAlias = tuple[RequestRecord, float]


class Metrics:
    """Counts and durations of one server, over all its processes.

    Parameters
    ----------
    processes : int
        How many count.
    """

    def __init__(self, processes: int = 1) -> None:
        self.tally = Tally(processes)
        self._in_flight = 0

    def take(self, place: int) -> None:
        """Count as the process number `place`, which has nothing in flight yet."""
        self.tally.take(place)
        self._in_flight = 0

    def enter(self) -> None:
        """Count a request in."""
        self._in_flight += 1

    def leave(self, ended: Iterable[Ended]) -> None:
        """Count requests out."""
        counts: Counter[Key] = Counter()
        seconds_sums: dict[str, float] = {}
        for record, seconds in ended:
            self._in_flight -= 1
            route = record.route
            counts["requests", route, str(record.status)] += 1
            counts["seconds", route, PLACES[bisect_left(SECONDS, seconds)]] += 1
            seconds_sums[route] = seconds_sums.get(route, 0.0) + seconds
            if record.error:
                counts["errors", record.error] += 1
            if record.rows:
                counts["rows",] += record.rows
                counts["batch", PLACES[bisect_left(ROWS, record.rows)]] += 1
        for key, count in counts.items():
            self.tally.add(key, count)
        for route, seconds in seconds_sums.items():
            self.tally.add(("seconds_sum", route), seconds)

    def tell(self) -> None:
        """Tell other processes that this one lives, and what it is at."""
        self.tally.put(("in_flight",), self._in_flight)
        self.tally.put(("beat",), time.time())
        self.tally.put(("pid",), os.getpid())

    def beat(self, place: int) -> float:
        """Return when the process number `place` last lived, in seconds since 1970; 0: never."""
        return self.tally.each(("beat",))[place]

    def requests(self) -> float:
        """Return how many requests all processes have answered."""
        totals = self.tally.totals()
        return sum(value for key, value in totals.items() if key[0] == "requests")

    def pids(self) -> list[int]:
        """Return the ids of the processes that count."""
        return [int(pid) for pid in self.tally.each(("pid",)) if pid]


class RequestLog:
    """Writes one line of JSON for each request: no payload, no caller's address.

    Parameters
    ----------
    stream : BinaryIO, optional
        By default standard output, which every cloud collects.
    """

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream
        self._second, self._stamp = 0, ""

    def write(self, ended: Iterable[Ended]) -> None:
        """Write the lines of requests that ended just now."""
        now = self._now()
        lines = [_line(now, record, seconds).encode() for record, seconds in ended]
        for start in range(0, len(lines), LINES):
            self.add(b"".join(lines[start : start + LINES]))

    def add(self, lines: bytes) -> None:
        """Write lines, each with its line feed, at once."""
        stream = self._stream or sys.stdout.buffer
        # The reader of our output may be gone: predictions are worth more than their log.
        with contextlib.suppress(OSError):
            stream.write(lines)
            stream.flush()

    def _now(self) -> str:
        """Return the time in UTC, ISO 8601 to the millisecond."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp}.{int((now - second) * 1000):03d}+00:00"


class Watch:
    """Sees each request come and go; those that end in one turn of the loop are written together.

    Parameters
    ----------
    metrics : Metrics
        Counts them.
    log : RequestLog
        Writes them down.
    """

    def __init__(self, metrics: Metrics, log: RequestLog) -> None:
        self._metrics = metrics
        self._log = log
        self._ended: list[Ended] = []

    def enter(self) -> float:
        """Note that a request came; return the time it did, for `leave`."""
        self._metrics.enter()
        return time.perf_counter()

    def leave(self, record: RequestRecord, since: float) -> None:
        """Note that it was answered."""
        if not self._ended:
            asyncio.get_running_loop().call_soon(self.tell)
        self._ended.append((record, time.perf_counter() - since))

    def tell(self) -> None:
        """Count and write down what has ended since the last time."""
        ended, self._ended = self._ended, []
        if ended:
            self._metrics.leave(ended)
            self._log.write(ended)


def _line(now: str, record: RequestRecord, seconds: float) -> str:
    """Write one line by hand: it is most of what a short request costs beside its socket."""
    request_id = orjson.dumps(record.request_id).decode()
    error = f',"error":"{record.error}"' if record.error else ""
    return (
        f'{{"time":"{now}","method":"{record.method}","route":{_quoted(record.route)},'
        f'"status":{record.status},"ms":{seconds * 1000:.3f},"rows":{record.rows},'
        f'"bytes_in":{record.bytes_in},"bytes_out":{record.bytes_out},'
        f'"request_id":{request_id}{error}}}\n'
    )


@cache
def _quoted(route: str) -> str:
    """Write a route's template as JSON; there are few."""
    return orjson.dumps(route).decode()


# Counts by key, in memory that the worker processes of one server share.


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
        cells = (dict(self._entries(place)).get(key) for place in range(self._places))
        return [0.0 if cell is None else self._values[cell] for cell in cells]

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
