"""From a socket to the part of Azure that a host name means (ASGI)."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import math
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from tridock.emulators import access
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.http.front import (
    APPS_SUFFIX,
    BLOB_SUFFIX,
    HOSTS,
    INSTANCES_SUFFIX,
    LOGIN_HOSTS,
    MANAGEMENT,
    SCORING_SUFFIX,
    Front,
)
from tridock.emulators.azure.service.memory import Memory
from tridock.emulators.azure.service.site import Site
from tridock.emulators.azure.storage import storage
from tridock.emulators.faults import ConnectionDropped, Fault, FaultKind, Faults

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Application:
    """One ASGI application for all hosts of the emulated Azure."""

    def __init__(self, site: Site, memory: Memory) -> None:
        self._site = site
        self._memory = memory

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = _headers(scope)
        reason = access.refusal(headers, HOSTS)
        if reason:  # before any work: the body is not read
            await write(send, self._forbidden(headers, reason))
            return
        host, call = await _read(scope, headers, receive)
        fault, faults = due(self._site, host, call), self._site.cloud.faults
        try:
            answer = await suffer(faults, fault, lambda: self._answer(host, call))
        except ConnectionDropped:
            await drop(receive)
            return
        await write(send, of_the_past(faults, host, call, answer))

    def _work(self, host: str, call: Call) -> Answer:
        """Answer a request to a service; what an answer says is on disk before it leaves."""
        if call.method in ("PUT", "PATCH", "POST"):
            self._memory.demand_room(len(call.body))
        answer = self._site.answer(host, call)
        self._memory.write()
        return answer

    def _forbidden(self, headers: Mapping[str, str], reason: str) -> Answer:
        error = AzureError(403, "AuthorizationFailure", reason)
        log.warning("refused: %s", reason)
        return _worded(headers.get("host", "").partition(":")[0], error)

    async def _answer(self, host: str, call: Call) -> Answer:
        try:
            pending = self._site.scoring(host, call)
            if pending is not None:
                return await pending
            answer = await asyncio.to_thread(self._work, host, call)
        except AzureError as error:
            answer = _worded(host, error)
        except Exception as error:
            log.exception("%s %s", call.method, call.path)
            is_full = isinstance(error, OSError) and error.errno in FULL_DISK
            text = FULL.format(error) if is_full else "See the emulator's log."
            answer = _worded(host, AzureError(500, "InternalServerError", text))
        if answer.status >= 400 and call.method != "HEAD":
            log.info("%s %s%s -> %d %s", call.method, host, call.path, answer.status, _text(answer))
        return answer


async def write(send: Send, answer: Answer) -> None:
    """Send an answer with the headers that every answer of Azure has."""
    body = answer.body()
    headers = {"x-ms-request-id": str(uuid.uuid4()), "Content-Length": str(len(body))}
    kind = answer.media_type()
    headers |= {"Content-Type": kind} if kind else {}
    headers |= answer.headers
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def _read(scope: Message, headers: Mapping[str, str], receive: Receive) -> tuple[str, Call]:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    host = headers.get("host", "").lower()
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    front, raw_path = Front.of(host), scope["raw_path"].decode("latin-1")
    body = b"".join(parts)
    call = Call(scope["method"], scope["path"], query, headers, body, front, raw_path)
    return host.partition(":")[0], call


def _headers(scope: Message) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
FULL = "The emulator cannot write its state: {}. Nothing was changed: free space, and try again."


def _worded(host: str, error: AzureError) -> Answer:
    """Return a refusal in the form of the service at a host."""
    return storage.refused(error) if host.endswith(BLOB_SUFFIX) else _refusal(error)


def _refusal(error: AzureError) -> Answer:
    content = error.as_json()
    is_plain = isinstance(content.get("error"), str)
    return Answer(error.status, content if is_plain else {"error": content}, error.headers)


def _text(answer: Answer) -> str:
    return json.dumps(answer.content) if isinstance(answer.content, dict) else ""


# Planned faults, in Azure's words and on its connections.

#: Parts of a path that name no operation: identifiers after their collection.
PROVIDER = re.compile(r".*/providers/[^/]+", re.I)

REFUSALS = {
    FaultKind.THROTTLE: AzureError(
        429, "TooManyRequests", "The request is being throttled.", headers={"Retry-After": "1"}
    ),
    FaultKind.INTERNAL: AzureError(500, "InternalServerError", "An internal error occurred."),
    FaultKind.UNAVAILABLE: AzureError(503, "ServerBusy", "The service is unavailable."),
}

#: Hosts at which models answer, or logins are made.
APART = (SCORING_SUFFIX, APPS_SUFFIX, INSTANCES_SUFFIX, *LOGIN_HOSTS)
LOCAL_APART = ("/_endpoints/", "/msi/", "/metadata/")


def due(site: Site, host: str, call: Call) -> Fault | None:
    """Return the fault that a request meets, if one is planned for it."""
    if call.path.startswith("/_emulator/"):
        return None
    apart = host.endswith(APART) or call.path.startswith(LOCAL_APART)
    return site.cloud.faults.next(operation(host, call), apart=apart)


def operation(host: str, call: Call) -> str:
    """Name a request as plans of faults do: ``"PUT onlineEndpoints/deployments"``, ``"score"``."""
    if ".inference." in host or call.path.startswith("/_endpoints/"):
        return "score"
    if ".blob." in host or call.path.startswith("/_storage/"):
        return f"{call.method} blob"
    if not PROVIDER.match(call.path):
        return f"{call.method} {call.path.strip('/').split('/')[-1]}"
    parts = PROVIDER.sub("", call.path).strip("/").split("/")
    names = parts[::2]
    action = parts[-1:] if call.method == "POST" and len(parts) % 2 else []
    return f"{call.method} {'/'.join(dict.fromkeys((*names[1:], *action)) or names)}"


async def suffer(
    faults: Faults, fault: Fault | None, work: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Answer a request by `work`, as its fault wants it.

    Raises
    ------
    ConnectionDropped
        If it is to be no answer.
    """
    if fault is None:
        return await work()
    if fault.kind in REFUSALS:
        error = REFUSALS[fault.kind]
        return Answer(error.status, {"error": error.as_json()}, {**error.headers, **_hint(fault)})
    await asyncio.to_thread(faults.begin, fault)
    answer = await work()
    await asyncio.to_thread(faults.end, fault)
    return answer


def of_the_past(faults: Faults, host: str, call: Call, answer: Answer) -> Answer:
    """Return what a request to Resource Manager is answered: a read perhaps as it was before."""
    is_arm = host == MANAGEMENT or call.path.lower().startswith("/subscriptions/")
    if not faults.past.is_kept or not is_arm or call.method == "POST" or answer.status > 404:
        return answer
    if call.method == "GET":
        return faults.past.seen((call.path.lower(), tuple(sorted(call.query.items()))), answer)
    faults.past.changed()
    return answer


async def drop(receive: Callable[..., object]) -> None:
    """Close the connection that a request came by, without an answer.

    ASGI has no word for that. `receive` is a method of uvicorn's cycle of request and response.
    """
    cycle: Any = receive.__self__  # type: ignore[attr-defined]
    cycle.transport.close()
    while not cycle.disconnected:
        await asyncio.sleep(0.001)


def _hint(fault: Fault) -> dict[str, str]:
    """Ask to be tried again later, by both headers that azure-core reads."""
    if fault.retry_after is None:
        return {}
    milliseconds = str(round(fault.retry_after * 1000))
    return {"Retry-After": str(math.ceil(fault.retry_after)), "x-ms-retry-after-ms": milliseconds}
