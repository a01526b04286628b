"""ASGI in few words: a request's headers and body read within bounds, a reply sent.

A reply has the request's id, and the headers that clouds expect back.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from tridock.inference.errors import DisconnectedError, TimedOutError, TooLargeError
from tridock.inference.messages import Reply

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

#: A body that comes no faster than this, in bytes a second, is waited for no longer than its limit.
SLOWEST = 1024
#: Sent back as they came. Sources: SageMaker runtime InvokeEndpoint («CustomAttributes»);
#: azureml-inference-server-http («x-ms-client-request-id», «x-ms-request-id»).
ECHOED = (
    b"x-amzn-sagemaker-custom-attributes",
    b"x-ms-client-request-id",
    b"x-ms-request-id",
)
#: Where callers put the id of a request, in the order they are looked at.
IDS = (
    b"x-request-id",
    b"x-ms-client-request-id",
    b"x-ms-request-id",
    b"x-amzn-sagemaker-inference-id",
)
ANY_OF = frozenset((*ECHOED, *IDS))
ID = re.compile(rb"[!-~]{1,128}")
#: InvokeEndpoint: up to 1,024 visible ASCII characters.
ECHOABLE = re.compile(rb"[ -~]{0,1024}")


def headers_of(scope: Scope) -> dict[str, str]:
    """Return a request's headers by lower-case name, repeated ones joined by commas."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def read_body(
    headers: Mapping[str, str], receive: Receive, limit: int, *, seconds: float
) -> bytes:
    """Read a body to its end.

    Parameters
    ----------
    headers : Mapping[str, str]
        The request's.
    receive : Receive
        ASGI's.
    limit : int
        Longest body, in bytes; a longer one is refused before it is read, if it says its length.
    seconds : float
        Longest time for all of it; `SLOWEST` bytes that come give another second.

    Raises
    ------
    TooLargeError
        If it is longer.
    TimedOutError
        If its rest does not come in time.
    DisconnectedError
        If the caller left.
    """
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > 15 or int(declared) > limit:
        raise TooLargeError(f"the body has {declared[:20]} bytes: send at most {limit}")
    size = 0
    try:
        async with asyncio.timeout(seconds) as timeout:
            end = timeout.when() or math.inf
            parts: list[bytes] = []
            async for part in _parts(receive):
                size += len(part)
                if size > limit:
                    raise TooLargeError(f"the body is longer than {limit} bytes: send fewer rows")
                timeout.reschedule(end + size / SLOWEST)
                parts.append(part)
    except TimeoutError as error:
        raise TimedOutError(
            f"{size} bytes of the body came in {seconds:g} seconds, and not its end: send it again"
        ) from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def send_reply(reply: Reply, send: Send) -> None:
    """Send a reply, whole and with its length."""
    headers = [
        (b"content-type", reply.media.encode("latin-1")),
        (b"content-length", str(len(reply.body)).encode()),
        *(
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in reply.headers.items()
        ),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def request_id(sent: Mapping[bytes, bytes]) -> str:
    """Return the caller's own id, or a new one of 32 hexadecimal digits."""
    if not ANY_OF.isdisjoint(sent):
        for name in IDS:
            if name in sent and ID.fullmatch(sent[name]):
                return sent[name].decode()
    return f"{random.getrandbits(128):032x}"


def echoed(sent: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers that go back as they came."""
    if ANY_OF.isdisjoint(sent):
        return []
    return [
        (name, sent[name]) for name in ECHOED if name in sent and ECHOABLE.fullmatch(sent[name])
    ]


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError("the caller left before the end of the body")
        yield message.get("body", b"")
        more = message.get("more_body", False)
