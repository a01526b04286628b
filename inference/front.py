"""What every request passes first: its id, the headers that clouds expect back, the last guard."""

from __future__ import annotations

import logging
import re
import uuid

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.codec.jsontext import dumps
from inference.exchange import Reply, Visit
from inference.lifecycle import Lifecycle
from inference.monitor import Watch
from inference.wire import send_reply

#: Sent back as they came. Sources: SageMaker runtime InvokeEndpoint («CustomAttributes»);
#: azureml-inference-server-http («x-ms-client-request-id», «x-ms-request-id»).
ECHOED = (
    b"x-amzn-sagemaker-custom-attributes",
    b"x-ms-client-request-id",
    b"x-ms-request-id",
)
#: Where callers put the id of a request, in the order they are looked at.
IDS = (
    b"x-request-id",
    b"x-ms-client-request-id",
    b"x-ms-request-id",
    b"x-amzn-sagemaker-inference-id",
)
ID = re.compile(rb"[!-~]{1,128}")
#: InvokeEndpoint: up to 1,024 visible ASCII characters.
ECHOABLE = re.compile(rb"[ -~]{0,1024}")

log = logging.getLogger(__name__)


class Front:
    """ASGI middleware around all routes.

    Parameters
    ----------
    app : ASGIApp
        What it stands before.
    watch : Watch
        Sees each request.
    lifecycle : Lifecycle
        Tells when connections shall not be kept.
    """

    def __init__(self, app: ASGIApp, *, watch: Watch, lifecycle: Lifecycle) -> None:
        self._app = app
        self._watch = watch
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and see it end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = dict(scope["headers"])
        visit = scope["visit"] = Visit(scope["method"], _request_id(sent))
        since = self._watch.enter()
        try:
            await self._guarded(scope, receive, _Outlet(send, visit, self._added(sent, visit)))
        finally:
            self._watch.leave(visit, since)

    async def _guarded(self, scope: Scope, receive: Receive, outlet: _Outlet) -> None:
        """Answer 500 in words of ours, whatever went wrong; its traceback is for the log only."""
        visit: Visit = scope["visit"]
        try:
            await self._app(scope, receive, outlet)
        except ClientDisconnect:
            visit.error = "disconnected"
        except Exception:  # the server's edge: a defect of ours must not reach the caller raw
            log.exception("request %s failed", visit.request_id)
            visit.error = "internal"
            if not outlet.started:
                message = f"internal error: the server's log has request {visit.request_id}"
                body = dumps({"error": message, "code": "internal"})
                await send_reply(Reply(body, status=500), outlet)
        if visit.route == "(none)" and "endpoint" in scope and not scope.get("path_params"):
            visit.route = scope["path"]

    def _added(self, sent: dict[bytes, bytes], visit: Visit) -> list[tuple[bytes, bytes]]:
        added = [(b"x-request-id", visit.request_id.encode())]
        for name in ECHOED:
            if name in sent and ECHOABLE.fullmatch(sent[name]):
                added.append((name, sent[name]))
        if self._lifecycle.is_draining:
            added.append((b"connection", b"close"))
        return added


class _Outlet:
    """ASGI's ``send`` with headers added, and a look at what passes."""

    def __init__(self, send: Send, visit: Visit, added: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._visit = visit
        self._added = added
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._visit.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *self._added]}
        else:
            self._visit.bytes_out += len(message.get("body", b""))
        await self._send(message)


def _request_id(sent: dict[bytes, bytes]) -> str:
    for name in IDS:
        if name in sent and ID.fullmatch(sent[name]):
            return sent[name].decode()
    return uuid.uuid4().hex
