"""The emulator's own controls, at `/_emulator/`: faults on request, servers, a fresh start."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tridock.emulators.access import is_authorized
from tridock.emulators.faults import read_faults
from tridock.emulators.fleet import Server
from tridock.emulators.gcp.core.cloud import Cloud
from tridock.emulators.gcp.protocol.errors import (
    InvalidArgumentError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from tridock.emulators.gcp.protocol.wire import Answer, Request
from tridock.emulators.gcp.state.database import NotWrittenError

PREFIX = "/_emulator/"


def answer(cloud: Cloud, request: Request) -> Answer:
    """Answer one request to the emulator itself, with its secret."""
    if not is_authorized(request.headers, cloud.tokens.secret):
        raise UnauthenticatedError(
            f"Requests below {PREFIX} need the header Authorization: Bearer $TRIDOCK_GCP_TOKEN."
        )
    call = _CALLS.get(f"{request.verb} {request.path.removeprefix(PREFIX)}")
    if call is None:
        raise NotFoundError(f"The emulator has {', '.join(_CALLS)}, all below {PREFIX}.")
    return call(cloud, request)


def reset(cloud: Cloud, _: Request) -> Answer:
    """Forget every resource and end every model server."""
    try:
        cloud.clear()
    except NotWrittenError as error:
        raise UnavailableError(f"The reset cannot be written: {error}") from error
    return Answer.of({})


def plan(cloud: Cloud, request: Request) -> Answer:
    """Replace the planned faults by those of the body."""
    try:
        faults = read_faults(request.json())
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidArgumentError(f"faults cannot be read: {error!r}") from error
    cloud.faults.plan(faults)
    return Answer.of({"planned": len(faults)})


def report(cloud: Cloud, _: Request) -> Answer:
    """Return the plan, the faults that were met, and the calls in their order."""
    return Answer.of(cloud.faults.report())


def servers(cloud: Cloud, _: Request) -> Answer:
    """Return the model servers: address, log and exit code."""
    return Answer.of({"servers": [_described(server) for server in cloud.fleet.servers()]})


def _described(server: Server) -> dict[str, object]:
    process = getattr(server, "process", None)
    return {
        "url": server.url,
        "pid": process.pid if process else None,
        "log": str(server.log),
        "exit_code": server.exit_code(),
    }


_CALLS: Mapping[str, Callable[[Cloud, Request], Answer]] = {
    "POST reset": reset,
    "PUT faults": plan,
    "GET faults": report,
    "GET servers": servers,
}
