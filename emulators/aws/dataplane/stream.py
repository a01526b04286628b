"""Streamed answers: each chunk of the container becomes one event."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack

import urllib3
from urllib3.util import SKIP_HEADER

from tridock.emulators.aws.dataplane import invoke
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.live import Instance, Lease
from tridock.emulators.aws.dataplane.requests import InvocationError, Reply, Request

Headers = tuple[tuple[str, str], ...]


def stream(cloud: Cloud, request: Request) -> tuple[Headers, Iterator[bytes]]:
    """Answer InvokeEndpointWithResponseStream: headers, and events as the container sends chunks.

    The instance stays held until the last event, or until the client has gone.

    Raises
    ------
    InvocationError
        If the endpoint or the variant does not serve.
    ModelError
        If the container does not answer with 2xx.
    """
    with ExitStack() as hold:
        held = hold.enter_context(invoke.lease(cloud, request))
        if held.share.generation.config.asynchronous:
            raise InvocationError("Response streaming is not supported by asynchronous endpoints.")
        answer = _open(request, held.instance, cloud.limits.invocation_seconds)
        if not 200 <= answer.status < 300:
            said = answer.data.decode(errors="replace")
            _measure(cloud, request, held, answer, time.perf_counter())
            raise invoke.ModelError(request.key, answer.status, said)
        headers = (
            ("Content-Type", "application/vnd.amazon.eventstream"),
            ("X-Amzn-SageMaker-Content-Type", answer.headers.get("Content-Type", "")),
            *invoke.variant_headers(answer.headers, held.instance),
        )
        return headers, _events(cloud, request, answer, hold.pop_all(), held)


def event(kind: str, payload: bytes, *, message_type: str = "event") -> bytes:
    """Frame one event (AWS SDKs, "Event stream encoding": prelude, headers, payload, checksums).

    Parameters
    ----------
    kind : str
        Event or exception type, e.g. ``"PayloadPart"``.
    message_type : str
        ``"event"`` or ``"exception"``.
    """
    binary = message_type == "event"
    headers = b"".join(
        _header(name, value)
        for name, value in (
            (f":{message_type}-type", kind),
            (":content-type", "application/octet-stream" if binary else "application/json"),
            (":message-type", message_type),
        )
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    message = prelude + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    """Return one header: name, type 7 (string), value."""
    return bytes([len(name)]) + name.encode() + b"\x07" + _sized(value.encode())


def _sized(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def _open(request: Request, instance: Instance, seconds: float) -> urllib3.BaseHTTPResponse:
    try:
        return instance.pool.urlopen(
            "POST",
            "/invocations",
            body=request.body,
            headers={**request.headers, "User-Agent": invoke.AGENT, "Accept-Encoding": SKIP_HEADER},
            timeout=urllib3.Timeout(connect=5, read=seconds),
            preload_content=False,
        )
    except urllib3.exceptions.TimeoutError:
        raise invoke.ModelError(request.key, 0, invoke.TIMED_OUT) from None
    except urllib3.exceptions.HTTPError as error:
        raise invoke.ModelError(request.key, 0, str(error)) from error


def _events(
    cloud: Cloud,
    request: Request,
    answer: urllib3.BaseHTTPResponse,
    hold: ExitStack,
    held: Lease,
) -> Iterator[bytes]:
    began = time.perf_counter()
    with hold:
        try:
            for chunk in answer.stream(amt=None if answer.chunked else 65536):
                yield event("PayloadPart", chunk)
        except urllib3.exceptions.HTTPError as error:
            said = {"Message": str(error), "ErrorCode": "ModelInvocationTimeExceeded"}
            yield event("ModelStreamError", json.dumps(said).encode(), message_type="exception")
        finally:
            answer.release_conn()
            _measure(cloud, request, held, answer, began)


def _measure(
    cloud: Cloud,
    request: Request,
    held: Lease,
    answer: urllib3.BaseHTTPResponse,
    began: float,
) -> None:
    taken = (time.perf_counter() - began) * 1e6
    reply = Reply(answer.status, answer.headers, b"", taken)
    invoke.measure(cloud, request, held, reply, began=began)
