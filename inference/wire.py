"""ASGI in few words: a request's headers and body read within bounds, a reply sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from inference.errors import DisconnectedError, InvalidInputError, TooLargeError
from inference.exchange import Reply

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

#: A caller who stops in the middle of a body for so long gets no answer to it.
BODY_SECONDS = 60


def headers_of(scope: Scope) -> dict[str, str]:
    """Return a request's headers by lower-case name, repeated ones joined by commas."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


async def read_body(headers: Mapping[str, str], receive: Receive, limit: int) -> bytes:
    """Read a body to its end.

    Parameters
    ----------
    headers : Mapping[str, str]
        The request's.
    receive : Receive
        ASGI's.
    limit : int
        Longest body, in bytes; a longer one is refused before it is read, if it says its length.

    Raises
    ------
    TooLargeError
        If it is longer.
    InvalidInputError
        If its rest does not come in time.
    DisconnectedError
        If the caller left.
    """
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > 15 or int(declared) > limit:
        raise TooLargeError(f"the body has {declared[:20]} bytes: send at most {limit}")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive, limit)
    except TimeoutError as error:
        raise InvalidInputError(
            f"the body stopped before its end for {BODY_SECONDS} seconds: send it again"
        ) from error


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


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError("the caller left before the end of the body")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLargeError(f"the body is longer than {limit} bytes: send fewer rows")
        parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)
