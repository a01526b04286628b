"""What the server tells of itself: counts for Prometheus, and a line of JSON for each request."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from bisect import bisect_left
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

import orjson

from inference.exchange import Visit
from inference.tally import Tally

if TYPE_CHECKING:
    from inference.bundle import Bundle

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000)
#: A bucket's key ends with its place among the bounds.
PLACES = tuple(map(str, range(len(SECONDS) + 1)))
LINE = orjson.OPT_APPEND_NEWLINE


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

    def leave(self, visit: Visit, seconds: float) -> None:
        """Count a request out."""
        self._in_flight -= 1
        add, route = self.tally.add, visit.route
        add(("requests", route, str(visit.status)))
        add(("seconds", route, PLACES[bisect_left(SECONDS, seconds)]))
        add(("seconds_sum", route), seconds)
        if visit.error:
            add(("errors", visit.error))
        if visit.rows:
            add(("rows",), visit.rows)
            add(("batch", PLACES[bisect_left(ROWS, visit.rows)]))

    def tell(self) -> None:
        """Write down for other processes what changes too often to be told each time."""
        self.tally.put(("in_flight",), self._in_flight)

    def expose(self, accept: str, bundle: Bundle | None) -> tuple[bytes, str]:
        """Return the metrics and their content type, as `accept` prefers them.

        Parameters
        ----------
        accept : str
            The scraper's Accept header: Prometheus' text format or OpenMetrics.
        bundle : Bundle or None
            What is served, once it is loaded.
        """
        from inference import exposition  # its library is of use only to who scrapes

        self.tell()
        return exposition.write(self.tally.totals(), accept, bundle)


class RequestLog:
    """Writes one line of JSON for each request: no payload, no caller's address.

    Lines of requests that end together are written together.

    Parameters
    ----------
    stream : BinaryIO, optional
        By default standard output, which every cloud collects.
    """

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._second, self._stamp = 0, ""

    def write(self, visit: Visit, seconds: float) -> None:
        """Write the line, within the loop's turn after this one."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(orjson.dumps(self._record(visit, seconds), option=LINE))

    def flush(self) -> None:
        """Write what is not written yet."""
        lines, self._lines = self._lines, []
        stream = self._stream or sys.stdout.buffer
        # Whoever read our output may be gone: predictions are worth more than their log.
        with contextlib.suppress(OSError):
            stream.write(b"".join(lines))
            stream.flush()

    def _record(self, visit: Visit, seconds: float) -> dict[str, object]:
        record: dict[str, object] = {
            "time": self._now(),
            "method": visit.method,
            "route": visit.route,
            "status": visit.status,
            "ms": round(seconds * 1000, 3),
            "rows": visit.rows,
            "bytes_in": visit.bytes_in,
            "bytes_out": visit.bytes_out,
            "request_id": visit.request_id,
        }
        if visit.error:
            record["error"] = visit.error
        return record

    def _now(self) -> str:
        """Return the time in UTC, ISO 8601 to the millisecond."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp}.{int((now - second) * 1000):03d}+00:00"


class Watch:
    """Sees each request come and go.

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

    def enter(self) -> float:
        """Note that a request came; return the time it did, for `leave`."""
        self._metrics.enter()
        return time.perf_counter()

    def leave(self, visit: Visit, since: float) -> None:
        """Note that it was answered."""
        seconds = time.perf_counter() - since
        self._metrics.leave(visit, seconds)
        self._log.write(visit, seconds)
