"""Error answers of the emulated Google Cloud.

* GcpError
  * InvalidArgumentError
  * FailedPreconditionError
  * UnauthenticatedError
  * PermissionDeniedError
  * NotFoundError
  * AlreadyExistsError
  * AbortedError
  * ResourceExhaustedError
  * InternalError
  * UnimplementedError
  * UnavailableError
  * DeadlineExceededError

Codes and their HTTP statuses: google/rpc/code.proto.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class GcpError(Exception):
    """Root: one error of the canonical codes.

    Parameters
    ----------
    message : str
        What the client reads.
    details : Sequence of Mapping
        ``google.rpc`` details, each with its ``@type``.

    Attributes
    ----------
    http : int
        HTTP status.
    number : int
        The code's number in ``google.rpc.Code``.
    status : str
        Its name.
    """

    http: ClassVar[int] = 500
    number: ClassVar[int] = 2
    status: ClassVar[str] = "UNKNOWN"

    def __init__(self, message: str, details: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)

    def record(self) -> dict[str, Any]:
        """Return the JSON body of the REST interfaces (Google's AIP-193)."""
        error = {"code": self.http, "message": self.message, "status": self.status}
        return {"error": error | ({"details": list(self.details)} if self.details else {})}

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of the REST answer (RFC 9110, 11.6.1)."""
        challenge = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
        return {"www-authenticate": challenge} if self.http == 401 else {}


class InvalidArgumentError(GcpError):
    """The request can never be right, in any state of the project."""

    http, number, status = 400, 3, "INVALID_ARGUMENT"


class FailedPreconditionError(GcpError):
    """The state of a resource forbids it now."""

    http, number, status = 400, 9, "FAILED_PRECONDITION"


class UnauthenticatedError(GcpError):
    """No credentials came with the request."""

    http, number, status = 401, 16, "UNAUTHENTICATED"


class PermissionDeniedError(GcpError):
    """The caller may not do this."""

    http, number, status = 403, 7, "PERMISSION_DENIED"


class NotFoundError(GcpError):
    """A resource or a method does not exist."""

    http, number, status = 404, 5, "NOT_FOUND"


class AlreadyExistsError(GcpError):
    """A resource of this name exists."""

    http, number, status = 409, 6, "ALREADY_EXISTS"


class AbortedError(GcpError):
    """Someone else changed the resource in between."""

    http, number, status = 409, 10, "ABORTED"


class ResourceExhaustedError(GcpError):
    """Too many calls, or too much of something."""

    http, number, status = 429, 8, "RESOURCE_EXHAUSTED"


class InternalError(GcpError):
    """Something failed on the service's side."""

    http, number, status = 500, 13, "INTERNAL"


class UnimplementedError(GcpError):
    """The real service has this, the emulator has not."""

    http, number, status = 501, 12, "UNIMPLEMENTED"


class UnavailableError(GcpError):
    """The service cannot answer now."""

    http, number, status = 503, 14, "UNAVAILABLE"


class DeadlineExceededError(GcpError):
    """It took longer than it may."""

    http, number, status = 504, 4, "DEADLINE_EXCEEDED"
