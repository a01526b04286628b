"""Planned faults, in AWS's words and on its connections."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.calls import Call, Environ
from tridock.emulators.aws.protocol.errors import (
    AwsError,
    InternalError,
    ThrottledError,
    UnavailableError,
)
from tridock.emulators.faults import Fault, FaultKind

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


def suffer(
    cloud: Cloud, call: Call, environ: Environ, start: StartResponse, *, work: Work
) -> Iterable[bytes]:
    """Answer a call by `work`, as the fault that is planned for it wants it.

    Raises
    ------
    AwsError
        If the fault is a refusal.
    ConnectionDropped
        If it is to be no answer.
    """
    faults = cloud.faults
    fault = faults.next(call.operation, apart=bool(call.endpoint))
    _refuse(fault)
    faults.begin(fault)
    # S3 is strongly consistent, and so are tokens; SageMaker's own documents promise nothing.
    answer = _of_the_past if faults.past.is_kept and call.service == "sagemaker" else _as_it_is
    parts = answer(cloud, call, environ, start, work)
    if fault and fault.kind in (FaultKind.DROP_AFTER, FaultKind.HANG_AFTER):
        for _ in parts:
            pass
        faults.end(fault)
    return parts


def hint(fault: Fault) -> dict[str, str]:
    """Return the headers by which a refusal asks to be tried again."""
    return {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}


def _refuse(fault: Fault | None) -> None:
    if fault and fault.kind in _REFUSALS:
        error = _REFUSALS[fault.kind]()
        error.headers = hint(fault)
        raise error


def _as_it_is(
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


def _of_the_past(
    cloud: Cloud, call: Call, environ: Environ, start: StartResponse, work: Work
) -> Iterable[bytes]:
    asked = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(asked)
    kept, past = _Kept(), cloud.faults.past
    kept.body += tuple(work(environ, kept.start))
    if call.operation.startswith(_READS):
        kept = past.seen((call.operation, asked), kept)
    elif kept.status.startswith("2"):
        past.changed()
    start(kept.status, kept.headers)
    return kept.body
