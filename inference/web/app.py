"""The ASGI app: every platform's routes around one scoring module."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, BinaryIO

from tridock.inference.cors import Cors
from tridock.inference.errors import DisconnectedError, NoRouteError, RequestError, WrongMethodError
from tridock.inference.messages import RequestRecord
from tridock.inference.monitoring.metrics import Metrics
from tridock.inference.settings import Settings
from tridock.inference.web.app_state import AppState
from tridock.inference.web.asgi import (
    AsgiApp,
    Message,
    Receive,
    Scope,
    Send,
    echoed,
    request_id,
    send_reply,
)
from tridock.inference.web.error_responses import refusal
from tridock.inference.web.fast_path import FastPath
from tridock.inference.web.lifecycle import Lifecycle
from tridock.inference.web.openapi.document import document
from tridock.inference.web.routes import Router

if TYPE_CHECKING:
    from fastapi import FastAPI, Request


class App:
    """The app of one server.

    Attributes
    ----------
    app_state : AppState
        What its routes share.
    fast_path : FastPath
        The short way of plain requests, for servers that know it.
    """

    def __init__(self, app_state: AppState) -> None:
        self.app_state = app_state
        self.fast_path = FastPath(app_state)
        self._middleware = Middleware(Router(app_state, Documentation(app_state)), app_state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other kinds of connections than HTTP are not spoken."""
        if scope["type"] != "http":
            raise NotImplementedError(f"this app speaks HTTP, not {scope['type']}")
        await self._middleware(scope, receive, send)


def create_app(
    settings: Settings | None = None,
    *,
    lifecycle: Lifecycle | None = None,
    metrics: Metrics | None = None,
    log: BinaryIO | None = None,
) -> App:
    """Build the app. It answers 503 until `tridock.inference.score.init` has loaded a model.

    Parameters
    ----------
    settings : Settings, optional
        Limits and routes; by default those of an empty environment.
    lifecycle : Lifecycle, optional
        Set by the server when it loads and when it ends.
    metrics : Metrics, optional
        Counts; by default of this app alone.
    log : BinaryIO, optional
        Receives the request log; by default standard output.
    """
    app_state = AppState.of(
        settings or Settings(), lifecycle or Lifecycle(), metrics=metrics, log=log
    )
    return App(app_state)


# What every request passes first: its id, the headers that clouds expect back, the last guard.


class Middleware:
    """ASGI middleware around all routes.

    Parameters
    ----------
    app : AsgiApp
        The app behind it.
    app_state : AppState
        Sees each request, and knows when connections shall not be kept.
    """

    def __init__(self, app: AsgiApp, app_state: AppState) -> None:
        self._app = app
        self._app_state = app_state
        origins = app_state.settings.cors_origins
        self._cors = Cors(origins) if origins else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and see it end."""
        sent = dict(scope["headers"])
        record = scope["record"] = RequestRecord(scope["method"], request_id(sent))
        since = self._app_state.watch.enter()
        outlet = _Outlet(send, record, self._added(sent, record))
        try:
            preflight = self._cors and self._cors.preflight(scope["method"], sent)
            if preflight:
                await send_reply(preflight, outlet)
            else:
                await self._app(scope, receive, outlet)
        except DisconnectedError:
            record.error = "disconnected"
        except Exception as error:  # the server's edge: any error becomes an answer
            reply = refusal(error, record, self._app_state.retry_after())
            if not outlet.started:
                await send_reply(reply, outlet)
        finally:
            self._app_state.watch.leave(record, since)

    def _added(self, sent: dict[bytes, bytes], record: RequestRecord) -> list[tuple[bytes, bytes]]:
        added = [(b"x-request-id", record.request_id.encode()), *echoed(sent)]
        if self._cors:
            added += self._cors.headers(sent)
        if self._app_state.lifecycle.is_draining:
            added.append((b"connection", b"close"))
        return added


class _Outlet:
    """ASGI's ``send`` with headers added, and a look at what passes."""

    def __init__(self, send: Send, record: RequestRecord, added: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._record = record
        self._added = added
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._record.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *self._added]}
        else:
            self._record.bytes_out += len(message.get("body", b""))
        await self._send(message)


# The documentation: what FastAPI serves, and the page that draws it for people.

#: Relative to the page, so that it also works behind a router's or a proxy's prefix.
ASSETS = "docs/assets"


class Documentation:
    """The routes that FastAPI keeps (an ASGI app); it is imported for the first request to one.

    Parameters
    ----------
    app_state : AppState
        Knows what is served.
    """

    def __init__(self, app_state: AppState) -> None:
        self._app_state = app_state
        self._app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the first one waits for the import, and no other."""
        self._app_state.lifecycle.loaded()  # there is nothing to describe before
        if self._app is None:
            self._app = await asyncio.to_thread(_app, self._app_state)
        await self._app(scope, receive, send)


def _app(app_state: AppState) -> FastAPI:
    from fastapi import FastAPI, Response
    from fastapi.openapi.docs import get_swagger_ui_html
    from starlette.exceptions import HTTPException
    from starlette.staticfiles import StaticFiles

    class Described(FastAPI):
        """FastAPI whose document is made of the model's signature, not of Python's types."""

        def openapi(self) -> dict[str, Any]:
            return document(app_state.lifecycle.loaded().bundle.manifest, app_state.settings)

    async def page(request: Request) -> Response:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.openapi()["info"]["title"],
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
            swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
        )

    async def refuse(request: Request, error: Exception) -> Response:
        reply = refusal(_ours(request, error), request.scope["record"], app_state.retry_after())
        return Response(reply.body, reply.status, reply.headers, reply.media)

    app = Described(docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_route("/docs", page, include_in_schema=False)
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]))
    app.add_exception_handler(HTTPException, refuse)
    return app


def _ours(request: Request, error: Exception) -> RequestError:
    """Put an error of FastAPI's routing into our words."""
    path = request.url.path[:200]
    if getattr(error, "status_code", 404) == 405:
        words = f"{path} does not take {request.method}: use GET, HEAD"
        return WrongMethodError(words, "GET, HEAD")
    return NoRouteError(f"there is no {path}: see /docs for the routes")
