"""The address of an online endpoint: who may ask, which deployment answers, in what time.

Source: "Troubleshoot online endpoints deployment and scoring", HTTP status codes.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import random
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx

from tridock.emulators.azure.core.cloud import CONTAINER, Cloud
from tridock.emulators.azure.core.entra import MACHINE_LEARNING_AUDIENCES, bearer
from tridock.emulators.azure.core.measurements import MODEL_STATUS, Tally
from tridock.emulators.azure.core.pool import Pool
from tridock.emulators.azure.core.resource import Resource
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.http.front import REGION
from tridock.emulators.azure.ml.endpoints import audience_of
from tridock.emulators.azure.servers import traffic
from tridock.emulators.fleet import Server

#: Headers that belong to one connection, or that the service sets itself.
OURS = frozenset(
    ("connection", "content-length", "host", "authorization", "transfer-encoding", "keep-alive")
    + ("date", "server", "x-request-id", "accept-encoding", "proxy-authorization")
)
DEPLOYMENT = "azureml-model-deployment"

#: What the client's own request id may hold, and how much of it is kept.
CLIENT_ID = re.compile(r"[A-Za-z0-9_-]+")
CLIENT_ID_LENGTH = 40

#: How often a waiting request looks for a free instance, in real seconds.
LOOK = 0.002


@dataclass(frozen=True)
class Words:
    """Wording of the errors of one kind of endpoint."""

    busy: int = 429
    late: int = 408
    failed: int = 424


MANAGED = Words()
KUBERNETES = Words(busy=503, late=504, failed=502)


class Scoring:
    """Answers the addresses of all online endpoints.

    Its methods run in one event loop, which makes counting requests safe.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._collector = Collector(cloud)
        self._tally = Tally(cloud.measurements)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
        self._client = httpx.AsyncClient(limits=limits, trust_env=False, timeout=None)  # noqa: S113
        self._copies: set[asyncio.Task[None]] = set()

    async def answer(self, call: Call, endpoint_name: str, path: str) -> Answer:
        """Answer one request to an endpoint."""
        identity = _identity(call)
        call = replace(call, headers={**call.headers, **identity})
        try:
            endpoint = self._endpoint(endpoint_name)
            self._authorise(endpoint, call)
            deployment = self._choose(endpoint, call)
            pool = self._pool(deployment)
            self._cloud.arrivals.add(deployment.id.key)
            self._mirror(endpoint, call, path)
        except AzureError as error:
            return Answer(error.status, {"error": error.as_json()}, {**identity, **error.headers})
        began = time.perf_counter()
        response = await self._told(pool, call, path, _words(deployment))
        self._tally.asked(deployment, response, began)
        self._collector.keep(endpoint, deployment, call, response)
        named = {DEPLOYMENT: deployment.id.name}
        return Answer(response.status, response.content, {**response.headers, **identity, **named})

    async def close(self) -> None:
        """Close the connections to model servers."""
        await self._client.aclose()

    def _endpoint(self, name: str) -> Resource:
        tail = f"/onlineendpoints/{name.lower()}"
        for endpoint in self._cloud.store.below("/subscriptions"):
            if endpoint.id.key.endswith(tail):
                return endpoint
        raise AzureError(404, "not_found", f"No endpoint has the name '{name}'.")

    def _authorise(self, endpoint: Resource, call: Call) -> None:
        mode = endpoint.properties["authMode"].lower()
        if mode == "aadtoken":
            self._cloud.entra.check(call, MACHINE_LEARNING_AUDIENCES)
            return
        token = bearer(call)
        if token and self._cloud.entra.credentials.accepts_any:
            return
        fits = self._is_key(endpoint, token) if mode == "key" else self._is_token(endpoint, token)
        if not fits:
            code = "key_auth_access_denied" if mode == "key" else "token_auth_access_denied"
            headers = {"WWW-Authenticate": "Bearer"}
            raise AzureError(401, code, "Access denied: invalid credentials.", headers=headers)

    def _is_key(self, endpoint: Resource, token: str) -> bool:
        keys = (endpoint.properties[name] for name in ("primaryKey", "secondaryKey"))
        return any(hmac.compare_digest(key.encode(), token.encode()) for key in keys)

    def _is_token(self, endpoint: Resource, token: str) -> bool:
        return self._cloud.entra.fault(token, (audience_of(endpoint),)) is None

    def _choose(self, endpoint: Resource, call: Call) -> Resource:
        name = call.headers.get(DEPLOYMENT) or traffic.choose(
            endpoint.properties.get("traffic") or {}
        )
        if name is None:
            raise AzureError(404, "not_found", "No deployment of the endpoint has traffic.")
        deployment = self._cloud.store.get(endpoint.id.child("deployments", name))
        if deployment is None:
            raise AzureError(404, "not_found", f"The endpoint has no deployment '{name}'.")
        return deployment

    def _pool(self, deployment: Resource) -> Pool:
        pool = self._cloud.pools.get(deployment.id.key)
        if pool is None:
            text = f"Deployment '{deployment.id.name}' is in state {deployment.state}."
            raise AzureError(404, "not_found", text)
        return pool

    def _mirror(self, endpoint: Resource, call: Call, path: str) -> None:
        """Send a copy elsewhere; its answer is not awaited."""
        name = traffic.copies_to(endpoint.properties.get("mirrorTraffic") or {})
        if name is None or DEPLOYMENT in call.headers:
            return
        deployment = self._cloud.store.get(endpoint.id.child("deployments", name))
        pool = self._cloud.pools.get(deployment.id.key) if deployment else None
        if deployment and pool:
            task = asyncio.get_running_loop().create_task(
                self._copy(endpoint, deployment, pool, (call, path))
            )
            self._copies.add(task)
            task.add_done_callback(self._copies.discard)

    async def _copy(
        self, endpoint: Resource, deployment: Resource, pool: Pool, request: tuple[Call, str]
    ) -> None:
        began = time.perf_counter()
        response = await self._told(pool, *request, MANAGED)
        self._tally.copied(deployment, response, began)
        self._collector.keep(endpoint, deployment, request[0], response)

    async def _told(self, pool: Pool, call: Call, path: str, words: Words) -> Answer:
        try:
            return await self._forward(pool, call, path, words)
        except AzureError as error:
            return Answer(error.status, {"error": error.as_json()}, error.headers)

    async def _forward(self, pool: Pool, call: Call, path: str, words: Words) -> Answer:
        """Let one instance answer, within the deployment's limits."""
        if not pool.enter():
            text = f"More than {pool.capacity} requests at once: too many for this deployment."
            raise AzureError(words.busy, "TooManyRequests", text)
        try:
            async with asyncio.timeout(pool.limits.timeout):
                return await self._ask(pool, call, path, words)
        except TimeoutError as error:
            text = f"The request was not answered within {pool.limits.timeout:g} seconds."
            raise AzureError(words.late, "RequestTimeout", text) from error
        finally:
            pool.leave()

    async def _ask(self, pool: Pool, call: Call, path: str, words: Words) -> Answer:
        server = await _free(pool)
        route = pool.routes.scoring if path == "/score" else path
        try:
            response = await self._client.request(
                call.method,
                server.url + route,
                params=dict(call.query),
                content=call.body,
                headers={**_passed(call.headers), REQUEST_ID: call.headers[REQUEST_ID]},
            )
        except httpx.TransportError:
            return _model_error(Answer(502, None), words)
        finally:
            pool.give_back(server)
        headers = _passed(response.headers)
        answer = Answer(response.status_code, response.content, headers)
        return answer if response.is_success else _model_error(answer, words)


async def _free(pool: Pool) -> Server:
    server = pool.take()
    while server is None:
        await asyncio.sleep(LOOK)
        server = pool.take()
    return server


def _model_error(answer: Answer, words: Words) -> Answer:
    """Word an answer of the model that is no success; its body stays."""
    reason = HTTPStatus(answer.status).phrase
    headers = {
        MODEL_STATUS: str(answer.status),
        "ms-azureml-model-error-reason": reason,
    }
    return Answer(words.failed, answer.content, {**answer.headers, **headers})


def _words(deployment: Resource) -> Words:
    kind = deployment.properties.get("endpointComputeType", "Managed")
    return KUBERNETES if kind.lower() == "kubernetes" else MANAGED


def _identity(call: Call) -> dict[str, str]:
    """Return the request's names: the service's own, and the client's if it is one."""
    headers = {REQUEST_ID: str(uuid.uuid4())}
    client = call.headers.get("x-ms-client-request-id", "")[:CLIENT_ID_LENGTH]
    if CLIENT_ID.fullmatch(client):
        headers["x-ms-client-request-id"] = client
    return headers | {"x-ms-request-id": call.headers.get("x-ms-request-id") or headers[REQUEST_ID]}


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in OURS}


# Production data: requests and answers of a deployment as JSON lines in blob storage.

#: Which side of a request each collection keeps. A model's own logging fills others.
SIDES = {"request": "request", "model_inputs": "request"} | {
    "response": "response",
    "model_outputs": "response",
}


#: The request's name, which the service gives and its answer bears.
REQUEST_ID = "x-request-id"


class Collector:
    """Writes what deployments are set to collect."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def keep(self, endpoint: Resource, deployment: Resource, call: Call, answer: Answer) -> None:
        """Write one request and its answer, as far as the deployment collects them."""
        settings = deployment.properties.get("dataCollector") or {}
        drawn = random.random()  # a request and its answer are kept together
        for name, collection in (settings.get("collections") or {}).items():
            if name in SIDES and _is_due(collection, drawn):
                data = call.body if SIDES[name] == "request" else answer.body()
                about = {"source": deployment.id.path, "xrequestid": call.headers[REQUEST_ID]}
                event = _event(endpoint, deployment, name, data) | about
                line = json.dumps(event).encode() + b"\n"
                self._cloud.blobs.append(CONTAINER, _path(endpoint, deployment, name), line)


def _is_due(collection: Mapping[str, Any], drawn: float) -> bool:
    if collection.get("dataCollectionMode", "").lower() != "enabled":
        return False
    return drawn < float(collection.get("samplingRate") or 1.0)


def _path(endpoint: Resource, deployment: Resource, name: str) -> str:
    hour = datetime.now(UTC).strftime("%Y/%m/%d/%H")
    root = f"modelDataCollector/{endpoint.id.name}/{deployment.id.name}/{name}"
    return f"{root}/{hour}/instance-0.jsonl"


def _event(endpoint: Resource, deployment: Resource, name: str, data: bytes) -> dict[str, Any]:
    """Make a CloudEvent (CloudEvents 1.0, JSON format) as the service writes it."""
    try:
        content = json.loads(data or b"null")
    except ValueError:
        content = data.decode(errors="replace")
    identity = str(uuid.uuid4())
    return {
        "specversion": "1.0",
        "id": identity,
        "type": f"azureml.inference.{name}",
        "datacontenttype": "application/json",
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": content,
        "correlationid": identity,
        "modelversion": deployment.properties.get("model"),
        "collectdatatype": "json",
        "agent": "tridock/emulated",
        "contentrange": f"bytes 0-{len(data)}/{len(data)}",
        "location": REGION,
        "endpoint": endpoint.id.name,
        "deployment": deployment.id.name,
    }
