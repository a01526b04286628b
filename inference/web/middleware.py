"""What every request passes first: its id, the headers that clouds expect back, the last guard."""

from __future__ import annotations

from tridock.inference.cors import Cors
from tridock.inference.errors import DisconnectedError
from tridock.inference.messages import Visit
from tridock.inference.web.app_state import Desk
from tridock.inference.web.asgi import AsgiApp, Message, Receive, Scope, Send, send_reply
from tridock.inference.web.error_responses import refusal
from tridock.inference.web.request_headers import echoed, request_id


class Front:
    """ASGI middleware around all routes.

    Parameters
    ----------
    app : AsgiApp
        What it stands before.
    desk : Desk
        Sees each request, and tells when connections shall not be kept.
    """

    def __init__(self, app: AsgiApp, desk: Desk) -> None:
        self._app = app
        self._desk = desk
        self._cors = Cors(desk.settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and see it end."""
        sent = dict(scope["headers"])
        visit = scope["visit"] = Visit(scope["method"], request_id(sent))
        since = self._desk.watch.enter()
        outlet = _Outlet(send, visit, self._added(sent, visit))
        try:
            if preflight := self._cors.preflight(scope["method"], sent):
                await send_reply(preflight, outlet)
            else:
                await self._app(scope, receive, outlet)
        except DisconnectedError:
            visit.error = "disconnected"
        except Exception as error:  # the server's edge: whatever it is becomes an answer
            reply = refusal(error, visit, self._desk.retry_after())
            if not outlet.started:
                await send_reply(reply, outlet)
        finally:
            self._desk.watch.leave(visit, since)

    def _added(self, sent: dict[bytes, bytes], visit: Visit) -> list[tuple[bytes, bytes]]:
        added = [(b"x-request-id", visit.request_id.encode()), *echoed(sent)]
        added += self._cors.headers(sent)
        if self._desk.lifecycle.is_draining:
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
