"""Map exceptions to HTTP error responses: one shape on every route, and the only statuses."""

from __future__ import annotations

import logging

from tridock.inference.codec.body import dumps
from tridock.inference.errors import (
    DisconnectedError,
    InferenceError,
    InvalidInputError,
    NoRouteError,
    NotAcceptableError,
    NotReadyError,
    OverloadedError,
    ScoringError,
    ScriptError,
    TimedOutError,
    TooLargeError,
    UnsupportedMediaTypeError,
    WrongMethodError,
)
from tridock.inference.messages import Reply, RequestRecord
from tridock.inference.web.openinference import UnknownModelError

#: The status and the machine-readable code of each error.
STATUSES: dict[type[Exception], tuple[int, str]] = {
    InvalidInputError: (400, "invalid_input"),
    NoRouteError: (404, "not_found"),
    UnknownModelError: (404, "unknown_model"),
    WrongMethodError: (405, "method_not_allowed"),
    NotAcceptableError: (406, "not_acceptable"),
    TimedOutError: (408, "timed_out"),
    TooLargeError: (413, "too_large"),
    UnsupportedMediaTypeError: (415, "unsupported_media_type"),
    OverloadedError: (429, "overloaded"),
    DisconnectedError: (499, "disconnected"),
    ScoringError: (500, "scoring_failed"),
    ScriptError: (500, "scoring_failed"),
    NotReadyError: (503, "not_ready"),
    Exception: (500, "internal"),
}

log = logging.getLogger(__name__)


def refusal(error: Exception, record: RequestRecord, retry_after: int) -> Reply:
    """Return the answer that an error is, and note its kind in `record`.

    A defect of ours must not reach the caller raw: its traceback is for the log only.

    Parameters
    ----------
    error : Exception
        What went wrong.
    record : RequestRecord
        The request.
    retry_after : int
        Seconds to tell those who shall come again.
    """
    status, record.error = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    message = str(error)
    if not isinstance(error, InferenceError):
        log.error("request %s failed", record.request_id, exc_info=error)
        message = f"internal error: the server's log has request {record.request_id}"
    headers: dict[str, str] = {}
    if isinstance(error, WrongMethodError):
        headers["Allow"] = error.allowed
    if isinstance(error, ScoringError):
        headers["x-ms-run-function-failed"] = "True"
    if status in (408, 413):  # the rest of the body is not waited for
        headers["Connection"] = "close"
    if status in (429, 503):
        headers["Retry-After"] = str(retry_after)
    body = dumps({"error": _utf8(message), "code": record.error})
    return Reply(body, status=status, headers=headers)


def _utf8(text: str) -> str:
    """Replace lone surrogates, which JSON in UTF-8 cannot hold."""
    return text.encode(errors="replace").decode()
