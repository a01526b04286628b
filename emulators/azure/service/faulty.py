"""Planned faults, in Azure's words and on its connections."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any

from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.http.front import (
    APPS_SUFFIX,
    INSTANCES_SUFFIX,
    LOGIN_HOSTS,
    MANAGEMENT,
    SCORING_SUFFIX,
)
from tridock.emulators.azure.service.site import Site
from tridock.emulators.faults import Fault, FaultKind, Faults

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
