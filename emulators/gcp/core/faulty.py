"""Planned faults, in Google's words and on its connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tridock.emulators.faults import Fault, FaultKind
from tridock.emulators.gcp.core.cloud import Cloud
from tridock.emulators.gcp.protocol.errors import (
    GcpError,
    InternalError,
    ResourceExhaustedError,
    UnavailableError,
)
from tridock.emulators.gcp.protocol.wire import Answer, Request

#: Methods that models answer end with these.
_DATA_PLANE = ("predict", ":explain")

Refusals = Mapping[FaultKind, Callable[[Fault], Exception]]


class faults:  # noqa: N801 - reads as a verb: `with faults(cloud, name):`
    """Let a call meet the fault that was planned for it.

    Parameters
    ----------
    cloud : Cloud
        Has the plan.
    name : str
        The method, as ``Service.Method`` or ``Method``.
    apart : bool
        Whether it is a request to a model.
    refusals : Mapping, optional
        How the service words its refusals.
    """

    def __init__(
        self, cloud: Cloud, name: str, *, apart: bool = False, refusals: Refusals | None = None
    ) -> None:
        named = name if name.startswith("storage.") else name.rpartition(".")[2]
        self._faults = cloud.faults
        self._fault = cloud.faults.next(named, apart=apart)
        self._refusals = refusals or _REFUSALS

    def __enter__(self) -> None:
        if self._fault and self._fault.kind in self._refusals:
            raise self._refusals[self._fault.kind](self._fault)
        self._faults.begin(self._fault)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._faults.end(self._fault)


def of_the_past(cloud: Cloud, request: Request, work: Callable[[Request], Answer]) -> Answer:
    """Answer a request by `work`, a read as it was answered before if it is to be stale."""
    past = cloud.faults.past
    if not past.is_kept or request.path.lower().endswith(_DATA_PLANE):
        return work(request)
    try:
        answer = work(request)
    except GcpError as error:
        if request.verb != "GET" or error.http != 404:
            raise
        answer = Answer.of(error.record(), error.http)
    if request.verb == "GET":
        return past.seen((request.path, request.query), answer)
    past.changed()
    return answer


def _throttled(fault: Fault) -> GcpError:
    """Ask to be tried again later, in google/rpc/error_details.proto's words."""
    hint = () if fault.retry_after is None else (_retry_info(fault.retry_after),)
    return ResourceExhaustedError("Quota exceeded: a planned fault.", hint)


def _retry_info(seconds: float) -> dict[str, str]:
    kind = "type.googleapis.com/google.rpc.RetryInfo"
    return {"@type": kind, "retryDelay": f"{seconds:g}s"}


_REFUSALS: Refusals = {
    FaultKind.THROTTLE: _throttled,
    FaultKind.INTERNAL: lambda _: InternalError("Internal error encountered."),
    FaultKind.UNAVAILABLE: lambda _: UnavailableError("The service is currently unavailable."),
}
