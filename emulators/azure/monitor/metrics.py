"""Azure Monitor's metrics: what was measured of a resource, by interval and dimension.

Source: Azure Monitor REST API, "Metrics - List" and "Metric Definitions - List"; the words of
refusals as its users report them. Minutes are those of the service's clock: on a fast one their
times lie less than a minute apart.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.measurements import Sample, Series
from tridock.emulators.azure.core.resource import Resource
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.http.front import REGION
from tridock.emulators.azure.monitor.metric_filter import Filter
from tridock.emulators.azure.monitor.metric_query import GRAINS, METRICS, Metric, Query

#: Number of intervals above which those in which nothing was measured are left out.
MOST_INTERVALS = 1441

#: Series of one metric in an answer, without ``$top``.
TOP = 10

#: Values of one series: times, as numbers of intervals, and samples.
Held = dict[int, list[Sample]]


class Metrics:
    """Answers ``Microsoft.Insights/metrics`` and ``metricDefinitions`` of resources.

    Parameters
    ----------
    cloud : Cloud
        What is measured.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._measured = cloud.measurements

    def answer(self, resource: Resource, word: str, call: Call) -> Answer:
        """Answer one request; this service's refusals have no ``error`` around them."""
        kind = resource.id.type.lower()
        try:
            if kind not in METRICS:
                known = ",".join(name for name, _ in METRICS.values())
                text = f"{resource.id.type} is not a supported platform metric namespace, "
                raise _refusal(f"{text}supported ones are {known}")
            namespace, metrics = METRICS[kind]
            wanted = _named(call.query, "metricnamespace")
            if wanted and wanted.lower() != kind:
                raise _refusal(f"Metric namespace '{wanted}' is not that of {namespace}")
            if word.lower() == "metricdefinitions":
                listed = [_definition(resource, namespace, metric) for metric in metrics]
                return Answer(200, {"value": listed})
            return Answer(200, self._values(resource, call, namespace, metrics))
        except AzureError as error:
            trace = f", TraceId: {{{uuid.uuid4()}}}"
            return Answer(error.status, {"code": error.code, "message": error.message + trace})

    def _values(
        self, resource: Resource, call: Call, namespace: str, metrics: Sequence[Metric]
    ) -> dict[str, Any]:
        query = Query.read(
            {name.lower(): value for name, value in call.query.items()},
            now=time.time(),
            minute=self._measured.minute,
        )
        chosen = [_metric(name, namespace, metrics) for name in query.names] or list(metrics)
        for metric in chosen:
            _check_dimensions(metric, query.filter)
        listed = [self._metric(resource, metric, query) for metric in chosen]
        return {
            "cost": sum(len(one["timeseries"]) for one in listed),
            "timespan": f"{_stamp(query.start)}/{_stamp(query.end)}",
            "interval": query.grain,
            "value": listed,
            "namespace": namespace,
            "resourceregion": resource.body.get("location") or REGION,
        }

    def _metric(self, resource: Resource, metric: Metric, query: Query) -> dict[str, Any]:
        series = self._series(resource, metric, query)
        ranked = sorted(series.items(), key=lambda one: -_volume(one[1]))
        shown = ranked[: query.top or TOP] if query.filter.terms else ranked
        return {
            "id": f"{resource.id.path}/providers/Microsoft.Insights/metrics/{metric.name}",
            "type": "Microsoft.Insights/metrics",
            "name": {"value": metric.name, "localizedValue": metric.title},
            "displayDescription": metric.about,
            "unit": metric.unit,
            "timeseries": [
                {"metadatavalues": _metadata(query.filter, values)}
                | ({} if query.metadata_only else {"data": _data(metric, query, held)})
                for values, held in shown
            ],
            "errorCode": "Success",
        }

    def _series(
        self, resource: Resource, metric: Metric, query: Query
    ) -> dict[tuple[str, ...], Held]:
        """Return what was measured, by the values of the dimensions that the filter names."""
        found: dict[tuple[str, ...], Held] = {}
        if not query.filter.terms:
            found[()] = {}
        for number, series, sample in self._measured.of(resource.id.key, *query.minutes):
            dimensions = _lowered(series)
            if query.filter.holds(dimensions):
                key = tuple(dimensions.get(name, "") for name in query.filter.names)
                held = found.setdefault(key, {})
                held.setdefault(number // query.width, []).append(sample)
        return found


def _data(metric: Metric, query: Query, held: Held) -> list[dict[str, Any]]:
    wanted = query.aggregations or (metric.aggregations[0].lower(),)
    numbers: Sequence[int] = query.intervals
    if len(numbers) > MOST_INTERVALS:
        numbers = sorted(held)
    return [
        {"timeStamp": _stamp(query.time(number)), **_aggregated(metric, held.get(number), wanted)}
        for number in numbers
    ]


def _aggregated(
    metric: Metric, samples: Sequence[Sample] | None, wanted: Sequence[str]
) -> Mapping[str, float]:
    """Return the wanted values that the metric has; none where nothing was measured."""
    known = {name.lower() for name in metric.aggregations}
    values = metric.read(samples) if samples else {}
    return {name: value for name, value in values.items() if name in wanted and name in known}


def _metadata(condition: Filter, values: Sequence[str]) -> list[dict[str, Any]]:
    pairs = zip(condition.names, values, strict=True) if values else ()
    return [
        {"name": {"value": name, "localizedValue": name}, "value": value} for name, value in pairs
    ]


def _volume(held: Held) -> int:
    return sum(sample.count for samples in held.values() for sample in samples)


def _lowered(series: Series) -> dict[str, str]:
    return {name.lower(): value for name, value in series.dimensions}


def _metric(name: str, namespace: str, metrics: Sequence[Metric]) -> Metric:
    for metric in metrics:
        if metric.name.lower() == name.lower():
            return metric
    provider, _, kind = namespace.partition("/")
    valid = ",".join(metric.name for metric in metrics)
    raise _refusal(
        f"Failed to find metric configuration for provider: {provider}, resource Type: {kind}, "
        f"metric: {name}, Valid metrics: {valid}"
    )


def _check_dimensions(metric: Metric, condition: Filter) -> None:
    if set(condition.names) - {name.lower() for name in metric.dimensions}:
        raise _refusal(
            f"Metric: {metric.name} does not support requested dimension combination: "
            f"{','.join(condition.names)}, supported ones are: {','.join(metric.dimensions)}"
        )


def _definition(resource: Resource, namespace: str, metric: Metric) -> dict[str, Any]:
    scope = f"{resource.id.path}/providers/Microsoft.Insights/metricDefinitions"
    return {
        "id": f"{scope}/{metric.name}",
        "resourceId": resource.id.path,
        "namespace": namespace,
        "category": "Traffic",
        "name": {"value": metric.name, "localizedValue": metric.title},
        "displayDescription": metric.about,
        "isDimensionRequired": False,
        "unit": metric.unit,
        "primaryAggregationType": metric.aggregations[0],
        "supportedAggregationTypes": list(metric.aggregations),
        "metricAvailabilities": [{"timeGrain": grain, "retention": "P93D"} for grain in GRAINS],
        "dimensions": [{"value": name, "localizedValue": name} for name in metric.dimensions],
    }


def _named(query: Mapping[str, str], wanted: str) -> str:
    return next((value for name, value in query.items() if name.lower() == wanted), "")


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def _refusal(message: str) -> AzureError:
    return AzureError(400, "BadRequest", message)
