"""What the server tells of itself: Prometheus metrics, and a line of JSON for each request."""

from __future__ import annotations

import contextlib
import sys
import time
from datetime import UTC, datetime
from typing import BinaryIO

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from inference.bundle import Bundle
from inference.exchange import Visit

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000)


class Metrics:
    """Counts and durations, in a registry of this server's own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "tridock_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self._errors = Counter(
            "tridock_errors", "Requests refused or failed.", ["kind"], registry=registry
        )
        self._seconds = Histogram(
            "tridock_request_seconds",
            "From the request's headers to its answer's end.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "tridock_requests_in_flight", "Requests being answered.", registry=registry
        )
        self._rows = Counter("tridock_rows", "Rows predicted.", registry=registry)
        self._batch = Histogram(
            "tridock_batch_rows", "Rows in one request.", buckets=ROWS, registry=registry
        )
        self._model = Gauge(
            "tridock_model_info",
            "The model that answers; always 1.",
            ["name", "version", "digest"],
            registry=registry,
        )

    def enter(self) -> None:
        """Count a request in."""
        self._in_flight.inc()

    def leave(self, visit: Visit, seconds: float) -> None:
        """Count a request out."""
        self._in_flight.dec()
        self._requests.labels(visit.route, str(visit.status)).inc()
        self._seconds.labels(visit.route).observe(seconds)
        if visit.error:
            self._errors.labels(visit.error).inc()
        if visit.rows:
            self._rows.inc(visit.rows)
            self._batch.observe(visit.rows)

    def expose(self, accept: str, bundle: Bundle | None) -> tuple[bytes, str]:
        """Return the metrics and their content type, as `accept` prefers them.

        Parameters
        ----------
        accept : str
            The scraper's Accept header: Prometheus' text format or OpenMetrics.
        bundle : Bundle or None
            What is served, once it is loaded.
        """
        if bundle:
            self._model.labels(bundle.name, bundle.version, bundle.digest).set(1)
        encoder, media = choose_encoder(accept)
        return encoder(self.registry), media


class RequestLog:
    """Writes one line of JSON for each request: no payload, no caller's address.

    Parameters
    ----------
    stream : BinaryIO, optional
        By default standard output, which every cloud collects.
    """

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream

    def write(self, visit: Visit, seconds: float) -> None:
        """Write the line."""
        stream = self._stream or sys.stdout.buffer
        line = orjson.dumps(_record(visit, seconds), option=orjson.OPT_APPEND_NEWLINE)
        # Whoever read our output may be gone: predictions are worth more than their log.
        with contextlib.suppress(OSError):
            stream.write(line)
            stream.flush()


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


def _record(visit: Visit, seconds: float) -> dict[str, object]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "method": visit.method,
        "route": visit.route,
        "status": visit.status,
        "ms": round(seconds * 1000, 3),
        "rows": visit.rows,
        "bytes_in": visit.bytes_in,
        "bytes_out": visit.bytes_out,
        "request_id": visit.request_id,
        **({"error": visit.error} if visit.error else {}),
    }
