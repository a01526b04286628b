"""Google's errors to ours: one table, one place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

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
    "Name good credentials: `gcloud auth application-default login`, or "
    "GOOGLE_APPLICATION_CREDENTIALS with a service account's file"
)

#: google/rpc/code.proto, and what each means to us.
CODES: Mapping[str, type[TargetError]] = {
    "ABORTED": BusyError,
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

#: FAILED_PRECONDITION because of a change that is under way: later is better.
_IN_PROGRESS = re.compile(r"in progress|is being \w+|still being \w+|another operation", re.I)
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


def of_status(
    status: int, text: str, *, operation: str, code: str = "", after: float | None = None
) -> TargetError:
    """Return our error for an HTTP answer of Google's own.

    Parameters
    ----------
    after : float, optional
        Seconds that it asks to wait.
    """
    code = code or STATUSES.get(status, str(status))
    kind = CODES.get(code, TargetError)
    if code == "RESOURCE_EXHAUSTED" and _QUOTA in text.lower():
        kind = QuotaError
    if code == "FAILED_PRECONDITION" and _IN_PROGRESS.search(text):
        kind = BusyError
    return of_cloud(kind, text, operation=operation, code=code, advice=ADVICE, retry_after=after)


def of_answer(answer: requests.Response, *, operation: str) -> TargetError:
    """Return our error for an HTTP answer that is none of success."""
    content = _read(answer)
    text = str(content.get("message") or answer.text)
    code, after = str(content.get("status", "")), _after(content, answer.headers)
    return of_status(answer.status_code, text, operation=operation, code=code, after=after)


def _of_call(error: api.GoogleAPICallError, operation: str) -> DeployError:
    # Over REST the library keeps the status and loses the code: FAILED_PRECONDITION and
    # INVALID_ARGUMENT are both 400. The answer still has it.
    content = _read(error.response)
    status = int(error.code or 0)
    code = str(content.get("status", ""))
    text = str(content.get("message") or error.message)
    after = _after(content, getattr(error.response, "headers", {}))
    return of_status(status, text, operation=operation, code=code, after=after)


def _after(content: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Return how long Google asks to wait: `google.rpc.RetryInfo`, or the header."""
    for detail in content.get("details", ()):
        if str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            return float(str(detail.get("retryDelay", "0s")).removesuffix("s"))
    seconds = headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else None


def _read(answer: Any) -> Mapping[str, Any]:
    """Return what Google says of an error (AIP-193), if it is said in that form."""
    try:
        error = answer.json()["error"]
    except (AttributeError, ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}
