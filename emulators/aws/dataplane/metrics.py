"""Metrics of endpoints in CloudWatch: one sum of each metric per minute, not one per request."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from moto.cloudwatch.models import MetricAggregatedDatum, MetricDatumBase, cloudwatch_backends

from tridock.emulators.aws.dataplane.live import Key
from tridock.emulators.aws.protocol.calls import replace_methods
from tridock.emulators.clock import Clock

NAMESPACE = "AWS/SageMaker"

#: Units by metric; the others are plain numbers (Developer Guide, "SageMaker endpoint invocation
#: metrics").
UNITS = {"ModelLatency": "Microseconds", "OverheadLatency": "Microseconds"}


#: Values of a minute that are kept one by one: a sum has no percentiles.
KEPT = 1000


class Minute(MetricAggregatedDatum):
    """The data of one minute: the statistics, and the first `KEPT` values."""

    values: list[float]

    def count(self, value: float) -> None:
        """Add one value."""
        self.min = min(self.min, value)
        self.max = max(self.max, value)
        self.sum += value
        self.sample_count += 1
        if len(self.values) < KEPT:
            self.values.append(value)


@dataclass(frozen=True)
class Source:
    """The origin of a value.

    Attributes
    ----------
    key : Key
        The endpoint.
    variant : str
        Its variant.
    config : str
        Endpoint configuration: alarms that watch a new fleet alone name it as a dimension.
    """

    key: Key
    variant: str
    config: str

    def dimensions(self) -> tuple[list[dict[str, str]], ...]:
        """Return the sets of dimensions a value is published under."""
        plain = [
            {"Name": "EndpointName", "Value": self.key.endpoint},
            {"Name": "VariantName", "Value": self.variant},
        ]
        return plain, [*plain, {"Name": "EndpointConfigName", "Value": self.config}]


class Metrics:
    """Sums by source and minute of the service.

    Parameters
    ----------
    clock : Clock
        Says how long a minute of the service is.
    """

    def __init__(self, clock: Clock) -> None:
        self._minute = max(clock.real(60), 0.01)
        self._current: dict[tuple[Source, str], tuple[float, list[Minute]]] = {}
        self._lock = threading.Lock()

    def add(self, source: Source, values: Mapping[str, float]) -> None:
        """Count one request's values."""
        start = time.time() // self._minute * self._minute
        with self._lock:
            for name, value in values.items():
                for datum in self._data(source, name, start, value):
                    datum.count(value)

    def clear(self) -> None:
        """Forget all sums: the backends that hold them were cleared."""
        with self._lock:
            self._current.clear()

    def _data(self, source: Source, name: str, start: float, value: float) -> list[Minute]:
        """Return the data of this minute, published when its first value comes."""
        began, data = self._current.get((source, name), (0.0, []))
        if began != start:
            data = [_datum(source, name, dims, start, value) for dims in source.dimensions()]
            cloudwatch_backends[source.key.account][source.key.region].metric_data.extend(data)
            self._current[source, name] = (start, data)
        return data


def install(cloud: object) -> None:
    """Match metrics by exactly their dimensions: more dimensions are another metric.

    moto takes every metric that has at least the requested dimensions (CloudWatch User Guide,
    "Dimensions": each unique combination of dimensions is a separate metric).
    """
    loose = MetricDatumBase.filter

    def exact(
        self: MetricDatumBase,
        namespace: str | None,
        name: str | None,
        dimensions: list[dict[str, str]],
        already_present_metrics: list[MetricDatumBase] | None = None,
    ) -> bool:
        wanted = {(pair["Name"], pair.get("Value")) for pair in dimensions or ()}
        # Only ListMetrics, whose filter is loose in the service too, passes the last argument.
        if already_present_metrics is None:
            return {(pair.name, pair.value) for pair in self.dimensions} == wanted
        return loose(self, namespace, name, dimensions, already_present_metrics)

    replace_methods(MetricDatumBase, {"filter": exact})


def _datum(
    source: Source, name: str, dimensions: list[dict[str, str]], start: float, value: float
) -> Minute:
    made = Minute(
        namespace=NAMESPACE,
        name=name,
        min_stat=value,
        max_stat=value,
        sample_count=0,
        sum_stat=0,
        dimensions=dimensions,
        # moto compares with times that have no zone.
        timestamp=dt.datetime.fromtimestamp(start, dt.UTC).replace(tzinfo=None),
        unit=UNITS.get(name, "None"),
    )
    made.values = []
    return made
