"""Google's errors to ours: one table, one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from deploy.errors import (
    ConflictError,
    CredentialsError,
    DeployError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    TargetError,
    UnavailableError,
)

ADVICE = (
    "Name good credentials: `gcloud auth application-default login`, or "
    "GOOGLE_APPLICATION_CREDENTIALS with a service account's file"
)

#: google/rpc/code.proto, and what each means to us.
CODES: Mapping[str, type[TargetError]] = {
    "ABORTED": ConflictError,
    "ALREADY_EXISTS": ConflictError,
    "DEADLINE_EXCEEDED": UnavailableError,
    "FAILED_PRECONDITION": ConflictError,
    "INTERNAL": UnavailableError,
    "NOT_FOUND": NotFoundError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "RESOURCE_EXHAUSTED": UnavailableError,
    "UNAUTHENTICATED": CredentialsError,
    "UNAVAILABLE": UnavailableError,
}

#: For answers without a code of that table: Cloud Storage's, and those of a proxy.
STATUSES: Mapping[int, str] = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

#: RESOURCE_EXHAUSTED for a quota of resources, not of calls: later is not better.
_QUOTA = "quota limits"


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Re-raise Google's errors from the block as the error of ours that they mean.

    Parameters
    ----------
    operation : str
        The call's name, e.g. ``"aiplatform:DeployModel"``.
    """
    try:
        yield
    except api.GoogleAPICallError as error:
        raise _of_call(error, operation) from error
    except (auth.DefaultCredentialsError, auth.RefreshError) as error:
        raise CredentialsError(f"{error}. {ADVICE}", operation=operation) from error
    except (api.RetryError, auth.TransportError, requests.RequestException) as error:
        code = type(error).__name__
        raise UnavailableError(str(error), operation=operation, code=code) from error


def of_status(status: int, text: str, *, operation: str, code: str = "") -> TargetError:
    """Return our error for an HTTP answer of Google's own."""
    code = code or STATUSES.get(status, str(status))
    kind = CODES.get(code, TargetError)
    if code == "RESOURCE_EXHAUSTED" and _QUOTA in text.lower():
        kind = QuotaError
    advice = f". {ADVICE}" if kind is CredentialsError else ""
    return kind(text + advice, operation=operation, code=code)


def _of_call(error: api.GoogleAPICallError, operation: str) -> DeployError:
    # Over REST the library keeps the status and loses the code: FAILED_PRECONDITION and
    # INVALID_ARGUMENT are both 400. The answer still has it.
    told = _told(error)
    status = int(error.code or 0)
    code = str(told.get("status", ""))
    return of_status(
        status, str(told.get("message") or error.message), operation=operation, code=code
    )


def _told(error: api.GoogleAPICallError) -> Mapping[str, Any]:
    try:
        found = error.response.json()["error"]
    except (AttributeError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
