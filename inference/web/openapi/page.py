"""The documentation: what FastAPI serves, and the page that draws it for people."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tridock.inference.errors import NoRouteError, RequestError, WrongMethodError
from tridock.inference.web.app_state import Desk
from tridock.inference.web.asgi import Receive, Scope, Send
from tridock.inference.web.error_responses import refusal
from tridock.inference.web.openapi.document import document

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

#: Relative to the page, so that it also works behind a router's or a proxy's prefix.
ASSETS = "docs/assets"


class Documentation:
    """The routes that FastAPI keeps (an ASGI app); it is imported when somebody asks for one.

    Parameters
    ----------
    desk : Desk
        Tells what is served.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the first one waits for the import, and nobody else does."""
        self._desk.lifecycle.loaded()  # there is nothing to describe before
        if self._app is None:
            self._app = await asyncio.to_thread(_app, self._desk)
        await self._app(scope, receive, send)


def _app(desk: Desk) -> FastAPI:
    from fastapi import FastAPI, Response
    from fastapi.openapi.docs import get_swagger_ui_html
    from starlette.exceptions import HTTPException
    from starlette.staticfiles import StaticFiles

    class Described(FastAPI):
        """FastAPI whose document is made of the model's signature, not of Python's types."""

        def openapi(self) -> dict[str, Any]:
            return document(desk.lifecycle.loaded().bundle.manifest, desk.settings)

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
        told = refusal(_ours(request, error), request.scope["visit"], desk.retry_after())
        return Response(told.body, told.status, told.headers, told.media)

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
