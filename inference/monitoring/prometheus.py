"""Counts written as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.monitoring.metrics import ROWS, SECONDS, Key, Metrics

#: Of these the smallest is reported, of the others the sum.
FIRST = ("process_start_time_seconds", "process_max_fds")

Totals = Mapping[Key, float]


def exposition(metrics: Metrics, accept: str, bundle: Bundle | None) -> tuple[bytes, str]:
    """Return the metrics and their content type, as `accept` prefers them.

    Parameters
    ----------
    metrics : Metrics
        Those of all processes of the server.
    accept : str
        The scraper's Accept header: Prometheus' text format or OpenMetrics.
    bundle : Bundle or None
        What is served, once it is loaded.
    """
    metrics.tell()
    registry = CollectorRegistry()
    registry.register(_Counted(metrics.tally.totals(), bundle))
    registry.register(_Processes(metrics.pids()))
    encoder, media = choose_encoder(accept)
    return encoder(registry), media


class _Counted(Collector):
    def __init__(self, totals: Totals, bundle: Bundle | None) -> None:
        self._totals = totals
        self._bundle = bundle

    def collect(self) -> Iterator[Metric]:
        yield self._counter("requests", "Requests answered.", ["route", "status"])
        yield self._counter("errors", "Requests refused or failed.", ["kind"])
        yield self._seconds()
        yield self._gauge("in_flight", "tridock_requests_in_flight", "Requests being answered.")
        yield self._counter("rows", "Rows predicted.", [])
        yield self._batch()
        yield self._model()

    def _of(self, name: str) -> Iterator[tuple[Key, float]]:
        return ((key[1:], value) for key, value in self._totals.items() if key[0] == name)

    def _counter(self, name: str, about: str, labels: list[str]) -> Metric:
        family = CounterMetricFamily(f"tridock_{name}", about, labels=labels)
        for key, value in self._of(name):
            family.add_metric(list(key), value)
        if not labels and not family.samples:
            family.add_metric([], 0)
        return family

    def _gauge(self, name: str, full: str, about: str) -> Metric:
        return GaugeMetricFamily(full, about, value=self._totals.get((name,), 0.0))

    def _seconds(self) -> Metric:
        about = "From the request's headers to its answer's end."
        family = HistogramMetricFamily("tridock_request_seconds", about, labels=["route"])
        sums = dict(self._of("seconds_sum"))
        counts = dict(self._of("seconds"))
        for route in dict.fromkeys(key[0] for key in counts):
            buckets = {int(key[1]): value for key, value in counts.items() if key[0] == route}
            family.add_metric([route], _buckets(SECONDS, buckets), sums.get((route,), 0.0))
        return family

    def _batch(self) -> Metric:
        family = HistogramMetricFamily("tridock_batch_rows", "Rows in one request.", labels=[])
        buckets = {int(key[0]): value for key, value in self._of("batch")}
        family.add_metric([], _buckets(ROWS, buckets), self._totals.get(("rows",), 0.0))
        return family

    def _model(self) -> Metric:
        about, labels = "The model that answers; always 1.", ["name", "version", "digest"]
        family = GaugeMetricFamily("tridock_model_info", about, labels=labels)
        if self._bundle:
            bundle = self._bundle
            family.add_metric([bundle.name, bundle.version, bundle.digest], 1)
        return family


class _Processes(Collector):
    """Memory, processor time and files of all processes together."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        each = [list(_of_process(pid)) for pid in self._pids]
        for families in zip(*each, strict=False):  # one that just died has none
            sum_or_first = min if families[0].name in FIRST else sum
            sample = families[0].samples[0]
            value = sum_or_first(family.samples[0].value for family in families)
            families[0].samples = [sample._replace(value=value)]
            yield families[0]


def _of_process(pid: int) -> Iterable[Metric]:
    return ProcessCollector(pid=lambda: pid, registry=None).collect()


def _buckets(bounds: Sequence[float], counts: Mapping[int, float]) -> list[tuple[str, float]]:
    """Return the counts up to each bound, which is how Prometheus has them."""
    names: Iterable[str] = (*(str(float(bound)) for bound in bounds), "+Inf")
    buckets, sum_so_far = [], 0.0
    for place, name in enumerate(names):
        sum_so_far += counts.get(place, 0.0)
        buckets.append((name, sum_so_far))
    return buckets
