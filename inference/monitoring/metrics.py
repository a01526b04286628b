"""Metrics of the server: counts for Prometheus, and a line of JSON for each request."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import orjson

from tridock.inference.messages import RequestRecord
from tridock.inference.monitoring.shared_counters import ROWS, SECONDS, Key, Tally

if TYPE_CHECKING:
    from tridock.inference.bundle.bundle import Bundle

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

    def expose(self, accept: str, bundle: Bundle | None) -> tuple[bytes, str]:
        """Return the metrics and their content type, as `accept` prefers them.

        Parameters
        ----------
        accept : str
            The scraper's Accept header: Prometheus' text format or OpenMetrics.
        bundle : Bundle or None
            What is served, once it is loaded.
        """
        from tridock.inference.monitoring import (
            prometheus,  # its library is of use only to who scrapes
        )

        self.tell()
        pids = [int(pid) for pid in self.tally.each(("pid",)) if pid]
        return prometheus.write(self.tally.totals(), pids, accept, bundle)


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
