"""Dedicated endpoints: each has a host of its own, and the container's own routes behind it."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote

from tridock.emulators.gcp.core.cloud import Cloud
from tridock.emulators.gcp.core.faulty import faults
from tridock.emulators.gcp.core.meter import measured, of_deployed
from tridock.emulators.gcp.front.interface import as_answer
from tridock.emulators.gcp.protocol.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from tridock.emulators.gcp.protocol.names import Record
from tridock.emulators.gcp.protocol.wire import Answer, Request
from tridock.emulators.gcp.vertex import predictions
from tridock.emulators.gcp.vertex.endpoints import find
from tridock.emulators.gcp.vertex.models import find as find_model
from tridock.emulators.gcp.vertex.predictions import Raw

_CALL = re.compile(r"/v1/(projects/[^:]+/endpoints/[^/:]+):(predict|rawPredict|streamRawPredict)")
_INVOKE = re.compile(r"/v1/(projects/.+/endpoints/[^/:]+)(?:/deployedModels/([^/]+))?/invoke(/.*)")


def answer(cloud: Cloud, request: Request) -> Answer:
    """Answer one request that came by an endpoint's own host."""
    path = unquote(request.path)
    match = _CALL.fullmatch(path)
    if match:
        endpoint = _own(cloud, match[1], request)
        if match[2] != "predict":
            with faults(cloud, match[2][0].upper() + match[2][1:], apart=True):
                raw = Raw(match[1], request.content_type, request.body, dedicated=True)
                return as_answer(predictions.raw_predict(cloud, raw))
        with faults(cloud, "Predict", apart=True):
            return Answer.of(predictions.predict_on(cloud, endpoint, _instances(request)))
    match = _INVOKE.fullmatch(path)
    if match:
        endpoint = _own(cloud, match[1], request)
        with faults(cloud, "Invoke", apart=True):
            return _invoke(cloud, endpoint, (match[2] or "", match[3]), request)
    raise NotFoundError(f"Method not found: {request.verb} {path}.")


def _own(cloud: Cloud, name: str, request: Request) -> Record:
    endpoint = find(cloud, name)
    if endpoint.get("dedicatedEndpointDns") != request.host.partition(":")[0]:
        raise NotFoundError(f'endpoint "{name}" not found at {request.host}')
    return endpoint


def _instances(request: Request) -> Record:
    record = request.json()
    if not isinstance(record, dict) or not isinstance(record.get("instances"), list):
        raise InvalidArgumentError("Invalid JSON payload received: no list 'instances'.")
    return record


def _invoke(cloud: Cloud, endpoint: Record, where: tuple[str, str], request: Request) -> Answer:
    """Carry a request to any route of a container ("Arbitrary custom routes")."""
    key, route = where
    if not key:
        balance = cloud.balances.of(endpoint["name"], endpoint.get("trafficSplit", {}))
        if balance is None:
            raise FailedPreconditionError(f"Nothing is deployed on {endpoint['name']}.")
        key = balance.next()
    deployed = next((d for d in endpoint.get("deployedModels", []) if d["id"] == key), None)
    if deployed is None:
        raise NotFoundError(f"DeployedModel {key} is not found on {endpoint['name']}.")
    model = find_model(cloud, f"{deployed['model']}@{deployed['modelVersionId']}")
    if "invokeRoutePrefix" not in model["containerSpec"]:
        raise FailedPreconditionError(
            f"DeployedModel {key} does not support Invoke: its model has no invoke_route_prefix."
        )
    raw = Raw("", "", request.body, headers=_carried(request))
    with measured(cloud.meter, of_deployed(endpoint, deployed)) as measurement:
        serving = cloud.servings.get(key)
        answer = predictions.open_stream(serving, route, raw, deployed=deployed)
        parts = measurement.through(answer.parts, answer.status)
    return as_answer(replace(answer, parts=parts))


def _carried(request: Request) -> dict[str, str]:
    names = ("content-type", "accept")
    return {name: request.headers[name] for name in names if name in request.headers}
