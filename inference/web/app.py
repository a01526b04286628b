"""The ASGI app: every platform's routes around one scoring module."""

from __future__ import annotations

from typing import BinaryIO

from tridock.inference.monitoring.metrics import Metrics
from tridock.inference.settings import Settings
from tridock.inference.web.app_state import Desk
from tridock.inference.web.asgi import Receive, Scope, Send
from tridock.inference.web.fast_path import Hot
from tridock.inference.web.lifecycle import Lifecycle
from tridock.inference.web.middleware import Front
from tridock.inference.web.openapi.page import Documentation
from tridock.inference.web.routes import Router


class App:
    """The app of one server.

    Attributes
    ----------
    desk : Desk
        What its routes share.
    hot : Hot
        The short way of plain requests, for servers that know it.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.hot = Hot(desk)
        self._front = Front(Router(desk, Documentation(desk)), desk)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other kinds of connections than HTTP are not spoken."""
        if scope["type"] != "http":
            raise NotImplementedError(f"this app speaks HTTP, not {scope['type']}")
        await self._front(scope, receive, send)


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
        Told by the server when it loads and when it ends.
    metrics : Metrics, optional
        Counts; by default of this app alone.
    log : BinaryIO, optional
        Receives the request log; by default standard output.
    """
    desk = Desk.of(settings or Settings(), lifecycle or Lifecycle(), metrics=metrics, log=log)
    return App(desk)
