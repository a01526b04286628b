"""Invocations: requests to containers and their replies, measured, captured and shadowed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import urllib3
from moto.sagemaker.models import sagemaker_backends
from urllib3.util import SKIP_HEADER

from tridock.emulators.aws.dataplane import capture
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.configs import initial_weight
from tridock.emulators.aws.dataplane.live import Instance, Key, Lease, UnknownVariantError
from tridock.emulators.aws.dataplane.logs import group_name
from tridock.emulators.aws.dataplane.metrics import Source
from tridock.emulators.aws.dataplane.requests import (
    SERVERLESS_LIMIT,
    InvocationError,
    Reply,
    Request,
)
from tridock.emulators.aws.protocol.errors import Answer, AwsError

#: How the platform's own client calls containers (seen in containers' access logs).
AGENT = "AHC/2.0"

#: Headers of a container's answer that reach the client.
ANSWERED = (
    "X-Amzn-SageMaker-Custom-Attributes",
    "X-Amzn-SageMaker-New-Session-Id",
    "X-Amzn-SageMaker-Closed-Session-Id",
)

TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


class ModelError(AwsError):
    """The container answered with an error, or not at all: 424."""

    def __init__(self, key: Key, status: int, said: str) -> None:
        group, region = group_name(key.endpoint), key.region
        who = "client" if 400 <= status < 500 else "server"
        super().__init__(
            "ModelError",
            f'Received {who} error ({status}) from primary with message "{said}". See '
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={group} in account {key.account} for more information.",
            status=424,
            OriginalStatusCode=status,
            OriginalMessage=said,
            LogStreamArn=f"arn:aws:logs:{region}:{key.account}:log-group:{group}",
        )


def invoke(cloud: Cloud, request: Request) -> Answer:
    """Answer InvokeEndpoint.

    Raises
    ------
    InvocationError
        If the endpoint or the variant does not serve, or takes asynchronous requests only.
    ModelError
        If the container does not answer with 2xx.
    """
    with lease(cloud, request) as held:
        if held.share.generation.config.asynchronous:
            raise InvocationError(
                f"Endpoint {request.key.endpoint} of account {request.key.account} is an "
                "asynchronous inference endpoint: only InvokeEndpointAsync is supported."
            )
        reply = score(cloud, request, held)
    if not reply.is_success:
        raise ModelError(request.key, reply.status, reply.body.decode(errors="replace"))
    headers = [("Content-Type", reply.headers.get("Content-Type", "application/octet-stream"))]
    return Answer(200, (*headers, *variant_headers(reply.headers, held.instance)), reply.body)


def install(cloud: Cloud) -> None:
    """Write captured data every minute of the service, and when the emulator ends."""
    run = partial(cloud.captures.run, cloud.clock)
    cloud.on_start.append(threading.Thread(target=run, name="capture", daemon=True).start)
    cloud.on_stop.append(cloud.captures.flush)
    cloud.on_reset.append(cloud.captures.clear)


@contextmanager
def lease(cloud: Cloud, request: Request) -> Iterator[Lease]:
    """Hold the instance that answers `request`.

    Raises
    ------
    InvocationError
        If none does.
    """
    try:
        with cloud.live.lease(request.key, request.variant) as held:
            if held is None:
                raise InvocationError(_not_serving(request.key))
            _check_serverless(request, held)
            yield held
    except UnknownVariantError:
        raise InvocationError(
            f"Variant {request.variant} of endpoint {request.key.endpoint} not found."
        ) from None


def score(cloud: Cloud, request: Request, held: Lease, *, timeout: float | None = None) -> Reply:
    """Send a request to its container and to the shadows, then measure and capture the reply.

    Parameters
    ----------
    timeout : float, optional
        Real seconds; by default what the service gives an invocation.
    """
    began = time.perf_counter()
    copy_to_shadows(cloud, request, held)
    reply = send(request, held.instance, timeout=timeout or cloud.limits.invocation_seconds)
    measure(cloud, request, held, reply, began=began)
    if reply.is_success:
        capture.keep(cloud.captures, request, held, reply)
    return reply


def send(request: Request, instance: Instance, *, timeout: float) -> Reply:
    """Send a request to a container; no answer is a reply with status 0."""
    began = time.perf_counter()
    try:
        answer = instance.pool.urlopen(
            "POST",
            "/invocations",
            body=request.body,
            headers={**request.headers, "User-Agent": AGENT, "Accept-Encoding": SKIP_HEADER},
            timeout=urllib3.Timeout(connect=5, read=timeout),
        )
    except urllib3.exceptions.TimeoutError:
        return _no_reply(TIMED_OUT, began)
    except urllib3.exceptions.HTTPError as error:
        return _no_reply(f"The container primary closed the connection: {error}", began)
    taken = (time.perf_counter() - began) * 1e6
    return Reply(answer.status, answer.headers, answer.data, taken)


def measure(cloud: Cloud, request: Request, held: Lease, reply: Reply, *, began: float) -> None:
    """Publish the metrics of one invocation.

    Parameters
    ----------
    began : float
        When the service took the request, of `time.perf_counter`.
    """
    source = Source(request.key, held.instance.variant, held.share.generation.config.name)
    status = reply.status
    values = {
        "Invocations": 1,
        "InvocationsPerInstance": 1 / _instances(request.key, held.instance.variant),
        "Invocation4XXErrors": float(400 <= status < 500),
        "Invocation5XXErrors": float(status >= 500 or status == 0),
        "InvocationModelErrors": float(not reply.is_success),
    }
    if reply.is_success:
        whole = (time.perf_counter() - began) * 1e6
        values |= {
            "ModelLatency": reply.microseconds,
            "OverheadLatency": max(0.0, whole - reply.microseconds),
        }
    cloud.metrics.add(source, values)


def variant_headers(headers: urllib3.HTTPHeaderDict, instance: Instance) -> list[tuple[str, str]]:
    """Return the headers of an answer that name its variant and the container's own values."""
    kept = [(name, headers[name]) for name in ANSWERED if name in headers]
    return [("x-Amzn-Invoked-Production-Variant", instance.variant), *kept]


def _instances(key: Key, variant: str) -> int:
    """Return the number of instances of a variant; one process answers for all of them."""
    endpoint: Any = sagemaker_backends[key.account][key.region].endpoints.get(key.endpoint)
    variants = endpoint.production_variants if endpoint else ()
    counts = (
        record.get("CurrentInstanceCount")
        for record in variants
        if record["VariantName"] == variant
    )
    return next(counts, None) or 1


def _no_reply(why: str, began: float) -> Reply:
    taken = (time.perf_counter() - began) * 1e6
    return Reply(0, urllib3.HTTPHeaderDict(), why.encode(), taken)


def _not_serving(key: Key) -> str:
    endpoint = sagemaker_backends[key.account][key.region].endpoints.get(key.endpoint)
    if endpoint is None or endpoint.endpoint_status in ("Creating", "Failed", "Deleting"):
        return f"Endpoint {key.endpoint} of account {key.account} not found."
    return f"Endpoint {key.endpoint} of account {key.account} is not in service."


def _check_serverless(request: Request, held: Lease) -> None:
    """Check the smaller body limit of serverless variants (seen in sdk issue 4271)."""
    config = held.share.generation.config
    serverless = any(
        variant.get("ServerlessConfig")
        for variant in config.variants
        if variant["VariantName"] == held.instance.variant
    )
    if serverless and len(request.body) > SERVERLESS_LIMIT:
        raise InvocationError(f"Request {request.call.id} has oversize body.")


def copy_to_shadows(cloud: Cloud, request: Request, held: Lease) -> None:
    """Send copies to the shadow variants of a generation, in the background.

    The share of copied requests is a shadow variant's weight over the production variant's.
    """
    config = held.share.generation.config
    for variant in config.shadows:
        base = held.share.weights.get(held.instance.variant, 1.0) or 1.0
        if random.random() < initial_weight(variant) / base:
            name = variant["VariantName"]
            instance = held.share.generation.shadows[name]
            # Counted before the production answer goes out: a retired fleet waits for copies too.
            instance.enter()
            shadowed = Lease(held.share, instance)
            cloud.background.submit(_send_copy, cloud, request, shadowed)


def _send_copy(cloud: Cloud, request: Request, held: Lease) -> None:
    try:
        began = time.perf_counter()
        reply = send(request, held.instance, timeout=cloud.limits.invocation_seconds)
        measure(cloud, request, held, reply, began=began)
    finally:
        held.instance.leave()
