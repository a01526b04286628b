"""The metrics that are measured ("Google Cloud metrics", Cloud Monitoring)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tridock.emulators.gcp.core.histogram import Histogram
from tridock.emulators.gcp.core.meter import ENDPOINT, REVISION, Tally

Value: TypeAlias = int | float | Histogram
Labelled: TypeAlias = tuple[Mapping[str, str], Value]

#: Seconds until a minute that is over can be read: Cloud Run's page says "up to 180", Vertex AI's
#: says nothing of these four, and "up to 120" of their neighbours.
RUN_DELAY, VERTEX_DELAY = 180.0, 120.0
RESOURCES: Mapping[str, tuple[str, ...]] = {
    ENDPOINT: ("resource_container", "location", "endpoint_id"),
    REVISION: (*("project_id", "location", "service_name", "revision_name", "configuration_name"),),
}
_VERTEX_LABELS = {
    "deployed_model_id": "The ID of the DeployedModel which serves the prediction request.",
    "spot": "Whether this deployment is on Spot VMs. Has values of True or False.",
    "model_display_name": "The display name of the model specified by the user.",
    "endpoint_display_name": "The display name of the endpoint specified by the user.",
}
_RUN_LABELS = {
    "response_code": "Response code of a request.",
    "response_code_class": "Response code class of a request.",
    "route": "Route name that forwards a request.",
}


@dataclass(frozen=True)
class Metric:
    """One metric, of the kind DELTA.

    Attributes
    ----------
    type : str
        E.g. ``"run.googleapis.com/request_count"``.
    texts : tuple of (str, str)
        Display name and description.
    value_type, unit, resource : str
        As its descriptor has them.
    labels : Mapping of str to str
        Key and description of each.
    values : callable
        Labels and value that a minute with this status adds.
    """

    type: str
    texts: tuple[str, str]
    value_type: str
    unit: str
    resource: str
    labels: Mapping[str, str]
    values: Callable[[int, Tally], Iterable[Labelled]]

    @property
    def delay(self) -> float:
        """Say how many seconds pass until a minute that is over can be read."""
        return RUN_DELAY if self.resource == REVISION else VERTEX_DELAY

    def record(self, project: str) -> dict[str, Any]:
        """Return its descriptor as JSON (google.api.MetricDescriptor)."""
        labels = [{"key": key, "description": text} for key, text in self.labels.items()]
        return {
            "name": f"{project}/metricDescriptors/{self.type}",
            "type": self.type,
            "labels": labels,
            "metricKind": "DELTA",
            "valueType": self.value_type,
            "unit": self.unit,
            "displayName": self.texts[0],
            "description": self.texts[1],
            "metadata": {"samplePeriod": "60s", "ingestDelay": f"{self.delay:g}s"},
            "launchStage": "GA" if self.resource == REVISION else "BETA",
            "monitoredResourceTypes": [self.resource],
        }


def _predictions(_: int, tally: Tally) -> Iterable[Labelled]:
    return [({}, tally.predictions)] if tally.predictions else ()


def _errors(status: int, tally: Tally) -> Iterable[Labelled]:
    return [({}, tally.requests)] if status >= 400 else ()


def _responses(status: int, tally: Tally) -> Iterable[Labelled]:
    return [({"response_code": _class(status)}, tally.requests)]


def _vertex_latencies(_: int, tally: Tally) -> Iterable[Labelled]:
    return [({"latency_type": name}, latencies) for name, latencies in tally.latencies.items()]


def _run_requests(status: int, tally: Tally) -> Iterable[Labelled]:
    return [(_of_status(status), tally.requests)]


def _run_latencies(status: int, tally: Tally) -> Iterable[Labelled]:
    return [(_of_status(status), tally.latencies["total"])]


def _of_status(status: int) -> Mapping[str, str]:
    return {"response_code": str(status), "response_code_class": _class(status)}


def _class(status: int) -> str:
    return f"{status // 100}xx"


_ONLINE = "aiplatform.googleapis.com/prediction/online"
_RUN = "run.googleapis.com"
_CODES = {"response_code": "HTTP response code (1xx, 2xx, 3xx, 4xx, 5xx)."}
_PARTS = {"latency_type": 'One of the following "overhead", "model" or "total".'}
ALL = (
    Metric(
        f"{_ONLINE}/prediction_count",
        ("Prediction count", "Number of online predictions."),
        *("INT64", "1", ENDPOINT, _VERTEX_LABELS, _predictions),
    ),
    Metric(
        f"{_ONLINE}/error_count",
        ("Error count", "Number of online prediction errors."),
        *("INT64", "1", ENDPOINT, _VERTEX_LABELS, _errors),
    ),
    Metric(
        f"{_ONLINE}/response_count",
        ("Response count", "Number of different online prediction response codes."),
        *("INT64", "1", ENDPOINT, _VERTEX_LABELS | _CODES, _responses),
    ),
    Metric(
        f"{_ONLINE}/prediction_latencies",
        ("Prediction Latencies", "Online prediction latency of the deployed model."),
        *("DISTRIBUTION", "ms", ENDPOINT, _VERTEX_LABELS | _PARTS, _vertex_latencies),
    ),
    Metric(
        f"{_RUN}/request_count",
        ("Request Count", "Number of requests reaching the revision."),
        *("INT64", "1", REVISION, _RUN_LABELS, _run_requests),
    ),
    Metric(
        f"{_RUN}/request_latencies",
        ("Request Latency", "Distribution of request latency in milliseconds."),
        *("DISTRIBUTION", "ms", REVISION, _RUN_LABELS, _run_latencies),
    ),
)
METRICS: Mapping[str, Metric] = {metric.type: metric for metric in ALL}
