"""The HTTP app: every platform's routes around one scoring module, and every error's status."""

from __future__ import annotations

import re
from typing import Any, BinaryIO

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from inference import openapi
from inference.codec.jsontext import dumps
from inference.desk import Desk
from inference.errors import (
    InferenceError,
    InvalidInputError,
    NotAcceptableError,
    NotReadyError,
    OverloadedError,
    ScoringError,
    ScriptError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from inference.front import Front
from inference.lifecycle import Lifecycle
from inference.monitor import RequestLog, Watch
from inference.openapi.page import add_page
from inference.openinference import UnknownModelError
from inference.routes import routes
from inference.settings import Settings

#: The status and the machine-readable code of each error.
STATUSES: dict[type[InferenceError], tuple[int, str]] = {
    InvalidInputError: (400, "invalid_input"),
    NotAcceptableError: (406, "not_acceptable"),
    TooLargeError: (413, "too_large"),
    UnknownModelError: (404, "unknown_model"),
    UnsupportedMediaTypeError: (415, "unsupported_media_type"),
    OverloadedError: (429, "overloaded"),
    ScoringError: (500, "scoring_failed"),
    ScriptError: (500, "scoring_failed"),
    NotReadyError: (503, "not_ready"),
}


def create_app(
    settings: Settings | None = None,
    *,
    lifecycle: Lifecycle | None = None,
    log: BinaryIO | None = None,
) -> FastAPI:
    """Build the app. It answers 503 until `inference.score.init` has loaded a model.

    Parameters
    ----------
    settings : Settings, optional
        Limits and routes; by default those of an empty environment.
    lifecycle : Lifecycle, optional
        Told by the server when it loads and when it ends.
    log : BinaryIO, optional
        Receives the request log; by default standard output.
    """
    desk = Desk.of(settings or Settings(), lifecycle or Lifecycle())
    app = _ModelApp(title="Model server", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.desk = desk
    app.router.routes[:0] = routes(desk)
    add_page(app)
    app.add_middleware(Front, watch=Watch(desk.metrics, RequestLog(log)), lifecycle=desk.lifecycle)

    async def refuse(request: Request, error: Exception) -> Response:
        return _refusal(request, error, desk)

    for kind in (InferenceError, HTTPException):
        app.add_exception_handler(kind, refuse)
    return app


class _ModelApp(FastAPI):
    """FastAPI whose document is made of the model's signature, not of Python's types."""

    desk: Desk

    def openapi(self) -> dict[str, Any]:
        manifest = self.desk.lifecycle.loaded().bundle.manifest
        return openapi.document(manifest, self.desk.settings)


def _refusal(request: Request, error: Exception, desk: Desk) -> Response:
    """Put an error into words for the caller: one shape on every route."""
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        code, message = _http_words(request, error)
    else:
        status, code = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
        message = str(error)
    if isinstance(error, ScoringError):
        headers["x-ms-run-function-failed"] = "True"
    if status in (429, 503):
        headers["Retry-After"] = str(desk.pool.retry_after())
    request.scope["visit"].error = code
    body = dumps({"error": _utf8(message), "code": code})
    return Response(body, status, headers, "application/json")


def _http_words(request: Request, error: HTTPException) -> tuple[str, str]:
    path = request.url.path[:200]
    if error.status_code == 404:
        return "not_found", f"there is no {path}: see /docs for the routes"
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        return "method_not_allowed", f"{path} does not take {request.method}: use {allowed}"
    return re.sub(r"[^a-z]+", "_", str(error.detail).lower()), str(error.detail)


def _utf8(text: str) -> str:
    """Replace lone surrogates, which JSON in UTF-8 cannot hold."""
    return text.encode(errors="replace").decode()
