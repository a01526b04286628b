"""The app asked directly: one request in, one response out, no socket between."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import httpx

from tridock.inference import score
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.settings import Settings
from tridock.inference.web.app import create_app
from tridock.inference.web.lifecycle import Lifecycle

IRIS_ROW = [5.1, 3.5, 1.4, 0.2]
VIRGINICA_ROW = [7.2, 3.6, 6.1, 2.5]
JSON = {"content-type": "application/json"}


class Asked:
    """An app around a bundle. `log` is what it wrote about its requests."""

    def __init__(self, bundle: Bundle | Path | None, settings: Settings | None = None) -> None:
        self.path = bundle.path if isinstance(bundle, Bundle) else bundle
        self.log = io.BytesIO()
        self.lifecycle = Lifecycle()
        self.app = create_app(settings, lifecycle=self.lifecycle, log=self.log)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """Send bytes and text as they are, anything else as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes | str):
            return self.ask("POST", path, content=body, headers=sent)
        return self.ask("POST", path, json=body, headers=sent)

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        self._load()
        return asyncio.run(self._ask(method, path, **request))

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
            client.headers.pop("accept")
            return await client.request(method, path, **request)

    def _load(self) -> None:
        """Load the bundle, unless the scoring module has it from the test before."""
        loaded = score.loaded()
        if self.path and (loaded is None or loaded.bundle.path != self.path):
            score.init(self.path)
