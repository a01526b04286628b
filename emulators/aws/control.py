"""The emulator's own controls: reset, planned faults and model servers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.moto_api._internal.models import moto_api_backend

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.instances import abandon
from tridock.emulators.aws.protocol.calls import Call, Environ
from tridock.emulators.aws.protocol.errors import (
    Answer,
    AwsError,
    InternalError,
    ThrottledError,
    UnavailableError,
)
from tridock.emulators.faults import Fault, FaultKind, read_faults

PREFIX = "/_emulator/"

#: As WSGI has it: status and headers.
StartResponse = Callable[..., Callable[[bytes], None]]
Work = Callable[[Environ, StartResponse], Iterable[bytes]]
_REFUSALS: dict[FaultKind, Callable[[], AwsError]] = {
    FaultKind.THROTTLE: ThrottledError,
    FaultKind.INTERNAL: lambda: InternalError("The request failed: a planned fault."),
    FaultKind.UNAVAILABLE: UnavailableError,
}
#: Operations that change nothing begin with these.
_READS = ("Describe", "List", "Search", "Get")


def answer(cloud: Cloud, environ: Environ) -> Answer:
    """Answer a request below `PREFIX` by the control of `_CONTROLS` that it names."""
    route = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].removeprefix(PREFIX)}"
    if route not in _CONTROLS:
        return _json(404, {"error": f"no control {route}: there are {', '.join(_CONTROLS)}"})
    body = environ["wsgi.input"].read()
    try:
        return _json(200, _CONTROLS[route](cloud, json.loads(body or b"null")))
    except (ValueError, KeyError, TypeError) as error:
        return _json(400, {"error": f"{route} cannot be read: {error}"})


def unauthorized() -> Answer:
    """Return the refusal of a request without the emulator's secret (RFC 6750, 3)."""
    said = "the controls need the header Authorization: Bearer $TRIDOCK_AWS_TOKEN, as `env` prints"
    refused = _json(401, {"error": said})
    return Answer(401, (*refused.headers, ("WWW-Authenticate", "Bearer")), refused.body)


def clear(cloud: Cloud) -> None:
    """End every model server, forget planned faults; moto's own reset clears moto's state."""
    cloud.faults.plan(())
    abandon(cloud)
    cloud.fleet.forget_all()
    cloud.logs.clear()
    cloud.metrics.clear()
    cloud.limits.reset()
    for hook in cloud.on_reset:
        hook()


def server_report(server: Any) -> dict[str, object]:
    """Return the address, process, log and exit code of a model server."""
    process = getattr(server, "process", None)
    return {
        "url": server.url,
        "pid": process.pid if process else None,
        "log": str(server.log),
        "exit_code": server.exit_code(),
    }


def _reset(cloud: Cloud, _: Any) -> object:
    moto_api_backend.reset()
    clear(cloud)
    return {"status": "ok"}


def _plan(cloud: Cloud, body: Any) -> object:
    faults = read_faults(body)
    cloud.faults.plan(faults)
    return {"planned": len(faults)}


def _faults(cloud: Cloud, _: Any) -> object:
    return cloud.faults.report()


def _limit(cloud: Cloud, body: Any) -> object:
    cloud.limits.invocation_seconds = float(body["invocation_seconds"])
    return {"invocation_seconds": cloud.limits.invocation_seconds}


def _servers(cloud: Cloud, _: Any) -> object:
    return {"servers": [server_report(server) for server in cloud.fleet.servers()]}


_CONTROLS: Mapping[str, Callable[[Cloud, Any], object]] = {
    "POST reset": _reset,
    "PUT faults": _plan,
    "GET faults": _faults,
    "PUT limits": _limit,
    "GET servers": _servers,
}


def _json(status: int, value: object) -> Answer:
    return Answer(status, (("Content-Type", "application/json"),), json.dumps(value).encode())


def answer_with_fault(
    cloud: Cloud, call: Call, environ: Environ, start: StartResponse, *, work: Work
) -> Iterable[bytes]:
    """Answer a call by `work`, with the fault that is planned for it.

    Raises
    ------
    AwsError
        If the fault is a refusal.
    ConnectionDropped
        If the fault is that no answer comes.
    """
    faults = cloud.faults
    fault = faults.next(call.operation, apart=bool(call.endpoint))
    _refuse(fault)
    faults.begin(fault)
    # S3 is strongly consistent, and so are tokens; SageMaker's own documents promise nothing.
    answer = _answer_stale if faults.past.is_kept and call.service == "sagemaker" else _answer_fresh
    parts = answer(cloud, call, environ, start, work)
    if fault and fault.kind in (FaultKind.DROP_AFTER, FaultKind.HANG_AFTER):
        for _ in parts:
            pass
        faults.end(fault)
    return parts


def retry_after(fault: Fault) -> dict[str, str]:
    """Return the headers with which a refusal requests a later retry."""
    return {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}


def _refuse(fault: Fault | None) -> None:
    if fault and fault.kind in _REFUSALS:
        error = _REFUSALS[fault.kind]()
        error.headers = retry_after(fault)
        raise error


def _answer_fresh(
    _: Cloud, __: Call, environ: Environ, start: StartResponse, work: Work
) -> Iterable[bytes]:
    return work(environ, start)


@dataclass
class _Kept:
    """An answer that can be sent again."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: tuple[bytes, ...] = ()

    def start(
        self, status: str, headers: list[tuple[str, str]], *_: object
    ) -> Callable[[bytes], None]:
        self.status, self.headers = status, headers
        return self.write

    def write(self, data: bytes) -> None:
        """Keep what an application writes past its return value."""
        self.body += (data,)


def _answer_stale(
    cloud: Cloud, call: Call, environ: Environ, start: StartResponse, work: Work
) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    kept, past = _Kept(), cloud.faults.past
    kept.body += tuple(work(environ, kept.start))
    if call.operation.startswith(_READS):
        kept = past.seen((call.operation, body), kept)
    elif kept.status.startswith("2"):
        past.changed()
    start(kept.status, kept.headers)
    return kept.body
