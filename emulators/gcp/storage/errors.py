"""Error answers of Cloud Storage.

* StorageError
  * BadRequestError
  * ObjectNotFoundError
  * ConflictError
  * ConditionNotMetError
  * NotModifiedError
  * RangeError
  * TooManyError
  * BackendError
  * BusyError

Statuses and reasons: Cloud Storage, "HTTP status and error codes for JSON".
"""

from __future__ import annotations

from typing import Any, ClassVar

from tridock.emulators.faults import FaultKind


class StorageError(Exception):
    """Root: one error of the JSON interface.

    Attributes
    ----------
    status : int
        HTTP status.
    reason : str
        Cloud Storage's word for it.
    """

    status: ClassVar[int] = 500
    reason: ClassVar[str] = "backendError"

    def record(self) -> dict[str, Any]:
        """Return the JSON body."""
        item = {"message": str(self), "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": str(self), "errors": [item]}}


class BadRequestError(StorageError):
    """The request cannot be read."""

    status, reason = 400, "invalid"


class ObjectNotFoundError(StorageError):
    """There is no such bucket or object."""

    status, reason = 404, "notFound"


class ConflictError(StorageError):
    """A bucket exists already, or is not empty."""

    status, reason = 409, "conflict"


class ConditionNotMetError(StorageError):
    """A precondition does not hold."""

    status, reason = 412, "conditionNotMet"

    def __init__(self, name: str, wanted: str | None, given: str) -> None:
        super().__init__(
            f"At least one of the pre-conditions you specified did not hold: "
            f"{name} is {wanted}, the object has {given}."
        )


class NotModifiedError(StorageError):
    """The object still has the generation the client knows."""

    status, reason = 304, "notModified"


class RangeError(StorageError):
    """No byte of the object lies in the requested range."""

    status, reason = 416, "requestedRangeNotSatisfiable"


class TooManyError(StorageError):
    """Too many calls of one kind."""

    status, reason = 429, "rateLimitExceeded"


class BackendError(StorageError):
    """Something failed on the service's side."""

    status, reason = 500, "backendError"


class BusyError(StorageError):
    """The service cannot answer now."""

    status, reason = 503, "backendError"


#: What planned faults are answered with.
REFUSALS = {
    FaultKind.THROTTLE: lambda _: TooManyError("The rate of requests exceeds the limit."),
    FaultKind.INTERNAL: lambda _: BackendError("Backend Error: a planned fault."),
    FaultKind.UNAVAILABLE: lambda _: BusyError("The service is unavailable: a planned fault."),
}
