"""HTTP as uvicorn reads it, with a short way for requests that are whole and plain."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from inference.codec.jsontext import dumps
from inference.turn import Turn

if TYPE_CHECKING:
    from inference.hot import Hot

log = logging.getLogger(__name__)

MESSAGE = "the request is not HTTP/1.1: nothing of it could be read"
#: Longer bodies go the long way.
SHORT_BYTES = 1 << 15
#: Headers that make a request special: it goes the long way.
SPECIAL = frozenset(
    (
        b"content-encoding",
        b"expect",
        b"inference-header-content-length",
        b"transfer-encoding",
        b"upgrade",
    )
)
#: A body whose rest does not come for so long is waited for on the long way.
REST_SECONDS = 1.0


class Protocol(HttpToolsProtocol):
    """uvicorn's reader of HTTP, built on httptools.

    A request for predictions that is short and has nothing special goes to `inference.hot` at its
    last byte, without a task, a scope and an event of its own; all others go to the ASGI app.
    """

    hot: Hot
    _turn: Turn | None = None
    _idle_since = math.inf
    _made_of: ClassVar[list[tuple[bytes, bytes]]] = []
    _openings: ClassVar[dict[int, bytes]] = {}

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        super().connection_made(transport)
        self.hot = self.app.hot

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        if self._turn is not None:
            self.hot.abandon(self._turn)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self._idle_since = math.inf
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            log.debug("an upgrade to another protocol was asked for: not done")
        except httptools.HttpParserCallbackError:
            # The parser hides what was raised while it called us: a defect of ours.
            log.exception("a connection failed")
            self.transport.close()
        except httptools.HttpParserError:
            self.send_400_response("")
        if self._turn is not None:
            self.loop.call_later(REST_SECONDS, self._give_up, self._turn)

    def on_message_begin(self) -> None:
        """Begin a request; what the ASGI app needs of it is made when it is to go there."""
        self.url = b""
        self.headers = []
        self._turn = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Choose the way of a request."""
        route = self.hot.routes.get(self.url)
        sent = dict(self.headers)
        if route is None or not self._is_free() or not self._is_plain(sent):
            self._go_the_long_way()
            return
        self._turn = Turn(self, route, sent)
        self.cycle = self._turn  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._turn is None:
            super().on_body(body)
        else:
            self._turn.body += body

    def on_message_complete(self) -> None:
        """Answer a plain request, or tell the ASGI app that all of it is there."""
        turn = self._turn
        if turn is None:
            super().on_message_complete()
            return
        self._turn = None
        if not self.hot.take(turn, turn.body):
            self._turn = turn
            self._hand_over(turn)
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the connection's next request, if it is there already."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if nothing came on it for too long.

        One timer looks from time to time: to set and unset one for each request costs more.
        """
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            self.transport.close()
        else:
            self._look_again(min(left, self.timeout_keep_alive))

    def _look_again(self, seconds: float) -> None:
        again = self.loop.call_later(seconds, self.timeout_keep_alive_handler)
        self.timeout_keep_alive_task = again

    def _unset_keepalive_if_required(self) -> None:
        """Leave the timer: it looks by itself."""

    def opening(self, status: int) -> bytes:
        """Return how an answer begins, up to the number of its bytes; uvicorn renews the date."""
        made_of = self.server_state.default_headers
        if self._made_of is not made_of:
            Protocol._made_of, Protocol._openings = made_of, {}
        opening = self._openings.get(status)
        if opening is None:
            date = b"".join(b"%b: %b\r\n" % pair for pair in made_of)
            opening = b"%b%bcontent-type: application/json\r\ncontent-length: " % (
                STATUS_LINE[status],
                date,
            )
            self._openings[status] = opening
        return opening

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP request, and close the connection."""
        body = dumps({"error": MESSAGE, "code": "not_http"})
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _is_free(self) -> bool:
        """Tell whether no request before is in work, and what was answered has been read."""
        cycle: Any = self.cycle  # None before the first one
        return (cycle is None or cycle.response_complete) and not self.flow.write_paused

    def _is_plain(self, sent: dict[bytes, bytes]) -> bool:
        parser = self.parser
        if parser.get_method() != b"POST" or not parser.should_keep_alive():
            return False
        if len(sent) != len(self.headers) or not SPECIAL.isdisjoint(sent):
            return False
        # HTTP/1.0 keeps a connection only where this header says so; uvicorn never does.
        if b"connection" in sent and parser.get_http_version() != "1.1":
            return False
        length = sent.get(b"content-length", b"")
        if len(length) > 5 or not length.isdigit() or int(length) > SHORT_BYTES:
            return False
        return self.hot.is_plain((sent.get(b"content-type"), sent.get(b"accept")))

    def _go_the_long_way(self) -> None:
        """Let uvicorn make of the headers what it would have made at once."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def _hand_over(self, turn: Turn) -> None:
        """Let a request that has begun its short way go the long one."""
        self._turn = None
        turn.response_complete = True
        self._go_the_long_way()
        if turn.body:
            super().on_body(turn.body)

    def _give_up(self, turn: Turn) -> None:
        if turn is self._turn and not turn.disconnected:
            self._hand_over(turn)
