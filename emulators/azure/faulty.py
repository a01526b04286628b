"""Planned faults, in Azure's words and on its connections."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from emulators.azure.call import Answer, Call
from emulators.azure.errors import AzureError
from emulators.azure.site import Site
from emulators.faults import Fault, FaultKind

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Parts of a path that name no operation: identifiers after their collection.
PROVIDER = re.compile(r".*/providers/[^/]+", re.I)

REFUSALS = {
    FaultKind.THROTTLE: AzureError(
        429, "TooManyRequests", "The request is being throttled.", headers={"Retry-After": "1"}
    ),
    FaultKind.INTERNAL: AzureError(500, "InternalServerError", "An internal error occurred."),
    FaultKind.UNAVAILABLE: AzureError(503, "ServerBusy", "The service is unavailable."),
}


def due(site: Site, host: str, call: Call) -> Fault | None:
    """Return the fault that a request meets, if one is planned for it."""
    if call.path.startswith("/_emulator/"):
        return None
    return site.cloud.faults.next(operation(host, call))


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


async def suffer(fault: Fault, answer: Callable[[], Awaitable[Answer]], send: Send) -> None:
    """Answer a request as its fault wants it."""
    from emulators.azure.application import write

    if fault.kind in REFUSALS:
        error = REFUSALS[fault.kind]
        await write(send, Answer(error.status, {"error": error.as_json()}, error.headers))
    elif fault.kind is FaultKind.SLOW:
        await asyncio.sleep(fault.seconds)
        await write(send, await answer())
    else:
        if fault.kind is FaultKind.DROP_AFTER:
            await answer()
        await _drop(send)


async def _drop(send: Send) -> None:
    """Promise a body and send none: the server then closes the connection."""
    headers = [(b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
