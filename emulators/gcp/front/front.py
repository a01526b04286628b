"""The REST front: names the interface by host and path, and words what goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tridock.emulators.access import is_authorized
from tridock.emulators.faults import ConnectionDropped, read_faults
from tridock.emulators.fleet import Server
from tridock.emulators.gcp.auth import authentication, oauth
from tridock.emulators.gcp.core.cloud import Cloud
from tridock.emulators.gcp.core.faulty import of_the_past
from tridock.emulators.gcp.front import dedicated, longrunning, tables
from tridock.emulators.gcp.front import storage_interface as storage
from tridock.emulators.gcp.front.interface import Interface
from tridock.emulators.gcp.protocol import masks
from tridock.emulators.gcp.protocol.errors import (
    GcpError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from tridock.emulators.gcp.protocol.wire import Answer, Request
from tridock.emulators.gcp.run import scaling
from tridock.emulators.gcp.state.database import NotWrittenError
from tridock.emulators.gcp.storage.uploads import Uploads
from tridock.emulators.gcp.vertex import tenant

log = logging.getLogger(__name__)

_LOGS = "/v2/entries:list"


@dataclass(frozen=True)
class Front:
    """Answers every REST request of the emulated cloud.

    Attributes
    ----------
    cloud : Cloud
        What it is the front of.
    interface : Interface
        The methods that Google describes as protos.
    storage : storage.Storage
        Cloud Storage.
    """

    cloud: Cloud
    interface: Interface
    storage: storage.Storage

    @classmethod
    def of(cls, interface: Interface) -> Front:
        """Make the front of one cloud."""
        cloud = interface.cloud
        return cls(
            cloud,
            interface,
            storage.Storage(
                cloud, Uploads(cloud.store, cloud.place.folder / "uploads", cloud.database)
            ),
        )

    def __call__(self, request: Request) -> Answer:
        """Answer one request, errors as Google's front end writes them (AIP-193)."""
        try:
            authentication.check_origin(request.headers)
            return self._route(request)
        except GcpError as error:
            if error.http == 401 and request.path.startswith(storage.PREFIXES):
                return storage.unauthenticated(error)
            return Answer.of(error.record(), error.http, error.headers)
        except ConnectionDropped:
            raise
        except Exception as error:
            log.exception("%s %s", request.verb, request.path)
            failed = InternalError(f"the emulator failed: {error!r}")
            return Answer.of(failed.record(), failed.http)

    def _route(self, request: Request) -> Answer:
        host = request.host.partition(":")[0]
        if request.path.startswith(CONTROLS):
            return _controlled(self.cloud, request)
        if host.endswith(scaling.SUFFIX):
            return scaling.answer(self.cloud, request)
        if answered := oauth.answer(self.cloud.tokens, request):
            return answered
        if request.path.startswith(tenant.PREFIX):
            return self.storage.answer(tenant.borrowed(self.cloud, request))
        if not self.storage.is_public(request):
            reads = request.verb in ("GET", "HEAD") or request.path == _LOGS
            authentication.check(
                self.cloud.tokens, request.headers, service=_service(request), reads=reads
            )
        if host.endswith(".prediction.vertexai.goog"):
            return dedicated.answer(self.cloud, request)
        if request.path.startswith(storage.PREFIXES):
            return self.storage.answer(request)
        if request.path.startswith(tables.PREFIX):
            return tables.answer(self.cloud, request)
        if host == "logging.googleapis.com" or request.path == _LOGS:
            return self._logging(request)
        if longrunning.method(request):
            return of_the_past(self.cloud, request, partial(longrunning.answer, self.cloud))
        if host.endswith("storage.googleapis.com"):
            raise UnimplementedError("The XML interface of Cloud Storage is not emulated.")
        return of_the_past(self.cloud, request, self.interface.answer)

    def _logging(self, request: Request) -> Answer:
        if (request.verb, request.path) != ("POST", _LOGS):
            raise masks.unimplemented(request)
        return Answer.of(self.cloud.logs.list(request.json()))


def _service(request: Request) -> str:
    """Return the host of the interface that a request is for, without its region."""
    host = request.host.partition(":")[0]
    if host.endswith(".googleapis.com"):
        return authentication.service(host)
    if request.path.startswith(storage.PREFIXES):
        return "storage.googleapis.com"
    if request.path.startswith(tables.PREFIX):
        return "bigquery.googleapis.com"
    if request.path == _LOGS:
        return "logging.googleapis.com"
    return f"{'run' if request.path.startswith('/v2/') else 'aiplatform'}.googleapis.com"


# The emulator's own controls, at `/_emulator/`: faults on request, servers, a fresh start.

CONTROLS = "/_emulator/"


def _controlled(cloud: Cloud, request: Request) -> Answer:
    """Answer one request to the emulator itself, with its secret."""
    if not is_authorized(request.headers, cloud.tokens.secret):
        raise UnauthenticatedError(
            f"Requests below {CONTROLS} need the header Authorization: Bearer $TRIDOCK_GCP_TOKEN."
        )
    call = _CALLS.get(f"{request.verb} {request.path.removeprefix(CONTROLS)}")
    if call is None:
        raise NotFoundError(f"The emulator has {', '.join(_CALLS)}, all below {CONTROLS}.")
    return call(cloud, request)


def _reset(cloud: Cloud, _: Request) -> Answer:
    """Forget every resource and end every model server."""
    try:
        cloud.clear()
    except NotWrittenError as error:
        raise UnavailableError(f"The reset cannot be written: {error}") from error
    return Answer.of({})


def _plan(cloud: Cloud, request: Request) -> Answer:
    """Replace the planned faults by those of the body."""
    try:
        faults = read_faults(request.json())
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidArgumentError(f"faults cannot be read: {error!r}") from error
    cloud.faults.plan(faults)
    return Answer.of({"planned": len(faults)})


def _report(cloud: Cloud, _: Request) -> Answer:
    """Return the plan, the faults that were met, and the calls in their order."""
    return Answer.of(cloud.faults.report())


def _servers(cloud: Cloud, _: Request) -> Answer:
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
    "POST reset": _reset,
    "PUT faults": _plan,
    "GET faults": _report,
    "GET servers": _servers,
}
