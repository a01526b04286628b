"""The page that draws the document for people: Swagger UI, from an installed package."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

#: Relative to the page, so that it also works behind a router's or a proxy's prefix.
ASSETS = "docs/assets"


def add_page(app: FastAPI, route: str = "/docs") -> None:
    """Serve the page at `route`, and what it loads beside it: no other host is asked."""

    async def page(request: Request) -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.openapi()["info"]["title"],
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
            swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
        )

    app.add_route(route, page, include_in_schema=False)
    app.mount(f"{route}/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]))
