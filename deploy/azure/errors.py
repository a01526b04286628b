"""Azure's errors to ours: one table, one place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
from azure.core import exceptions as core

from tridock.deploy.target.errors import (
    BusyError,
    ConflictError,
    CredentialsError,
    DeployError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    TargetError,
    UnavailableError,
    of_cloud,
)

ADVICE = (
    "Name good credentials: `az login`, or AZURE_TENANT_ID, AZURE_CLIENT_ID and "
    "AZURE_CLIENT_SECRET; `az account show` shows who you are"
)

#: "Common Azure deployment errors"; "Troubleshoot online endpoints deployment and scoring".
CODES: Mapping[str, type[TargetError]] = {
    "AuthorizationFailed": PermissionDeniedError,
    "LinkedAuthorizationFailed": PermissionDeniedError,
    "AuthenticationFailed": CredentialsError,
    "ExpiredAuthenticationToken": CredentialsError,
    "InvalidAuthenticationToken": CredentialsError,
    "InvalidAuthenticationTokenTenant": CredentialsError,
    "InsufficientQuota": QuotaError,
    "OutOfCapacity": QuotaError,
    "OutOfQuota": QuotaError,
    "QuotaExceeded": QuotaError,
}

STATUSES: Mapping[int, type[TargetError]] = {
    401: CredentialsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    412: ConflictError,
    408: UnavailableError,
    429: UnavailableError,
    500: UnavailableError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


#: A conflict with a change that is under way: a later call may succeed.
IN_PROGRESS = re.compile(
    r"in progress|is being \w+|still transitioning"
    r"|(is in|current) state:? '?(Accepted|Creating|Updating|Deleting|Scaling)",
    re.I,
)


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Re-raise Azure's errors from the block as the error of ours that they mean.

    Parameters
    ----------
    operation : str
        Name of the call, e.g. ``"onlineEndpoints:get"``.
    """
    try:
        yield
    except core.AzureError as error:
        raise _of_azure(error, operation) from error
    except httpx.TransportError as error:
        raise UnavailableError(str(error), operation=operation) from error


def refused(
    status: int, message: str, *, operation: str, code: str = "", headers: Mapping[str, str]
) -> TargetError:
    """Return the error of ours that an HTTP status and Azure's code mean."""
    kind = CODES.get(code) or STATUSES.get(status, TargetError)
    if status in (400, 409) and (code.endswith("InProgress") or IN_PROGRESS.search(message)):
        kind = BusyError
    after = _seconds(headers)
    return of_cloud(kind, message, operation=operation, code=code, advice=ADVICE, retry_after=after)


def _of_azure(error: core.AzureError, operation: str) -> DeployError:
    if isinstance(error, core.ClientAuthenticationError):
        message = str(error.message).splitlines()[0]
        return CredentialsError(f"{message} {ADVICE}", operation=operation)
    if isinstance(error, core.HttpResponseError):
        headers: Mapping[str, str] = getattr(error.response, "headers", {})
        code = str(getattr(error.error, "code", "") or "")
        said = str(getattr(error.error, "message", "") or error.message)
        return refused(
            error.status_code or 0, said, operation=operation, code=code, headers=headers
        )
    if isinstance(error, core.ServiceRequestError | core.ServiceResponseError):
        return UnavailableError(str(error), operation=operation)
    return TargetError(str(error), operation=operation, code=type(error).__name__)


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long Azure asks to wait, by the finest of the headers that azure-core reads."""
    lowered = {name.lower(): value for name, value in headers.items()}
    for name, parts in (
        ("retry-after-ms", 1000),
        ("x-ms-retry-after-ms", 1000),
        ("retry-after", 1),
    ):
        if lowered.get(name, "").isdecimal():
            return float(lowered[name]) / parts
    return None
