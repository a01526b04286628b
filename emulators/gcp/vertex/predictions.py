"""PredictionService: requests carried to a deployed model's server, and its answers back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from tridock.emulators.gcp.core import samples
from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.meter import Measurement, measured, of_deployed
from tridock.emulators.gcp.core.serving import Serving
from tridock.emulators.gcp.protocol import limits
from tridock.emulators.gcp.protocol.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    GcpError,
    InternalError,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnavailableError,
)
from tridock.emulators.gcp.protocol.names import Record
from tridock.emulators.gcp.protocol.wire import Answer
from tridock.emulators.gcp.vertex.endpoints import find

#: Shorter than the model server keeps idle connections, so that none ends under a request.
_IDLE_SECONDS = 2.0
_CLIENT = httpx.Client(
    limits=httpx.Limits(max_connections=None, keepalive_expiry=_IDLE_SECONDS), trust_env=False
)
_RELAYED: Mapping[int, type[GcpError]] = {429: ResourceExhaustedError, 503: UnavailableError}


@dataclass(frozen=True)
class Raw:
    """A request whose body is the model server's own business.

    Attributes
    ----------
    endpoint : str
        Name of the endpoint.
    content_type : str
        Media type of `body`.
    body : bytes
        What the model server gets.
    dedicated : bool
        Whether it came by the endpoint's own host.
    headers : Mapping of str to str
        Others that are carried on.
    """

    endpoint: str
    content_type: str
    body: bytes
    dedicated: bool = False
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class RawAnswer:
    """Answer of a model server to `Raw`.

    Attributes
    ----------
    status : int
        HTTP status.
    content_type : str
        Media type of the parts.
    parts : Iterator of bytes
        As they come.
    headers : Mapping of str to str
        Which model it was.
    """

    status: int
    content_type: str
    parts: Iterator[bytes]
    headers: Mapping[str, str]


def predict(cloud: Cloud, request: Record) -> Record:
    """``Predict`` on a shared endpoint: ``instances`` in, ``predictions`` out."""
    endpoint = _of_host(cloud, request["endpoint"], dedicated=False)
    return predict_on(cloud, endpoint, request)


def predict_on(cloud: Cloud, endpoint: Record, request: Mapping[str, Any]) -> Record:
    """Carry ``instances`` and ``parameters`` to one of the endpoint's models."""
    sent = {key: request[key] for key in ("instances", "parameters") if key in request}
    body = json.dumps(sent).encode()
    _check_size(endpoint, len(body), "Request")
    deployed = _chosen(cloud, endpoint)
    with measured(cloud.meter, of_deployed(endpoint, deployed)) as measurement:
        answer = _send(cloud.servings.get(deployed["id"]), endpoint, body, measurement)
        if answer.status_code != 200:
            raise _relayed(answer)
        record = _predictions(answer)
        measurement.end(200, len(record["predictions"]))
    samples.keep(cloud.tables, endpoint, deployed["id"], (body, answer.content))
    return record | {
        "deployedModelId": deployed["id"],
        "model": deployed["model"],
        "modelDisplayName": deployed["displayName"],
        "modelVersionId": deployed["modelVersionId"],
    }


def raw_predict(cloud: Cloud, request: Raw) -> RawAnswer:
    """``RawPredict`` and ``StreamRawPredict``: any bytes in, any bytes out, part by part."""
    endpoint = _of_host(cloud, request.endpoint, dedicated=request.dedicated)
    _check_size(endpoint, len(request.body), "Request")
    headers = {"content-type": request.content_type or "application/json"}
    deployed = _chosen(cloud, endpoint)
    with measured(cloud.meter, of_deployed(endpoint, deployed)) as measurement:
        serving = cloud.servings.get(deployed["id"])
        raw = Raw("", "", request.body, headers=headers)
        answer = open_stream(serving, serving.predict, raw, deployed=deployed)
        return replace(answer, parts=measurement.through(answer.parts, answer.status))


def open_stream(serving: Serving, route: str, request: Raw, *, deployed: Record) -> RawAnswer:
    """Send bytes to a route of one model server and return its answer as it comes."""
    sent = _CLIENT.build_request(
        "POST", serving.server.url + route, content=request.body, headers=request.headers
    )
    try:
        answer = _CLIENT.send(sent, stream=True)
    except httpx.HTTPError as error:
        raise UnavailableError(f"The model server does not answer: {error}") from error
    return RawAnswer(
        answer.status_code,
        answer.headers.get("content-type", "application/octet-stream"),
        _parts(answer),
        {
            "X-Vertex-AI-Deployed-Model-Id": deployed["id"],
            "X-Vertex-AI-Model": deployed["model"],
            "X-Vertex-AI-Model-Version-Id": deployed["modelVersionId"],
        },
    )


def carry(
    serving: Serving, verb: str, path: str, body: bytes, *, headers: Mapping[str, str]
) -> Answer:
    """Carry one request of any kind to a server, and its answer back part by part."""
    sent = _CLIENT.build_request(verb, serving.server.url + path, content=body, headers=headers)
    try:
        answer = _CLIENT.send(sent, stream=True)
    except httpx.HTTPError as error:
        raise UnavailableError(f"The server does not answer: {error}") from error
    content_type = answer.headers.get("content-type", "application/octet-stream")
    return Answer(answer.status_code, _parts(answer), {"content-type": content_type})


def _parts(answer: httpx.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_bytes()
    finally:
        answer.close()


def _of_host(cloud: Cloud, name: str, *, dedicated: bool) -> Record:
    """Return the endpoint, refused where the request came by the wrong host for it."""
    endpoint = find(cloud, name)
    own = endpoint.get("dedicatedEndpointDns", "")
    if own and not dedicated:
        raise FailedPreconditionError(
            "Dedicated Endpoint cannot be accessed through the shared Vertex AI domain "
            f"aiplatform.googleapis.com. Please access the endpoint using its dedicated dns "
            f"name '{own}'"
        )
    return endpoint


def _chosen(cloud: Cloud, endpoint: Record) -> Record:
    """Return the deployed model whose turn it is."""
    balance = cloud.balances.of(endpoint["name"], endpoint.get("trafficSplit", {}))
    if balance is None:
        raise FailedPreconditionError(
            f"Endpoint {endpoint['name']} doesn't have traffic_split: deploy a model to it first."
        )
    key = balance.next()
    for deployed in endpoint.get("deployedModels", []):
        if deployed["id"] == key:
            chosen: Record = deployed
            return chosen
    raise UnavailableError(f"DeployedModel {key} has just left the Endpoint.")


def _send(
    serving: Serving, endpoint: Record, body: bytes, measurement: Measurement
) -> httpx.Response:
    dedicated = "dedicatedEndpointDns" in endpoint
    seconds = limits.DEDICATED_SECONDS if dedicated else limits.SHARED_SECONDS
    try:
        answer = _CLIENT.post(
            serving.url,
            content=body,
            headers={"content-type": "application/json"},
            timeout=seconds,
        )
    except httpx.TimeoutException as error:
        raise DeadlineExceededError(f"The model took longer than {seconds:g} s.") from error
    except httpx.HTTPError as error:
        raise UnavailableError(f"The model server does not answer: {error}") from error
    measurement.answered()
    _check_size(endpoint, len(answer.content), "Response")
    return answer


def _check_size(endpoint: Record, size: int, what: str) -> None:
    dedicated = "dedicatedEndpointDns" in endpoint
    most = limits.DEDICATED_BYTES if dedicated else limits.SHARED_BYTES
    if size > most:
        raise InvalidArgumentError(
            f"{what} payload size exceeds the limit: {size} bytes, at most {most} bytes "
            f"({most / 1e6:.2f} MB) on a {'dedicated' if dedicated else 'shared'} endpoint."
        )


def _relayed(answer: httpx.Response) -> GcpError:
    if answer.status_code in _RELAYED:
        return _RELAYED[answer.status_code](answer.text)
    if answer.status_code >= 500:
        return InternalError(answer.text or "Internal error encountered.")
    return InvalidArgumentError(answer.text)


def _predictions(answer: httpx.Response) -> Record:
    try:
        record = answer.json()
        kept = {key: record[key] for key in ("predictions", "metadata") if key in record}
    except (ValueError, TypeError) as error:
        raise InternalError("The model server's answer is not a JSON object.") from error
    if not isinstance(kept.get("predictions"), list):
        raise InternalError("The model server's answer has no list 'predictions'.")
    return kept


HANDLERS: Mapping[str, Handler] = {"PredictionService.Predict": predict}
RAW_METHODS = ("PredictionService.RawPredict", "PredictionService.StreamRawPredict")
