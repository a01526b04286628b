"""HTTP as uvicorn reads it, with a short way for requests that are whole and plain."""

from __future__ import annotations

import logging
import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tridock.inference.web import connection_limits
from tridock.inference.web.connection_limits import (
    MAX_HEADER_BYTES,
    MAX_URL_BYTES,
    Awaited,
    RefusedError,
)
from tridock.inference.web.fast_path import FastRequest

if TYPE_CHECKING:
    from tridock.inference.web.fast_path import FastPath

log = logging.getLogger(__name__)

# A member is looked up through its class each time, and that is as much as the rest of a check.
HEAD, BODY, NOTHING, END = Awaited

#: Longer bodies go the long way.
SHORT_BYTES = 1 << 15
#: Seconds after which a body whose rest does not come is waited for on the long way.
REST_SECONDS = 1.0


class Protocol(HttpToolsProtocol):
    """uvicorn's reader of HTTP, built on httptools.

    A request for predictions that is short and has nothing special goes to `FastPath` at its
    last byte, without a task, a scope and an event of its own; all others go to the ASGI app.
    """

    #: Beside the attributes of uvicorn's class, which are nearly as many as Python finds quickly
    #: in an object without slots, thirty.
    __slots__ = (
        "_awaited",
        "_idle_since",
        "_overhead",
        "_refused",
        "_since",
        "_stuck_since",
        "_turn",
        "fast_path",
        "url",
    )
    _made_of: ClassVar[list[tuple[bytes, bytes]]] = []
    _openings: ClassVar[dict[int, bytes]] = {}

    def connection_made(self, transport: Any) -> None:
        """Begin, if there is room for another connection."""
        super().connection_made(transport)
        self.fast_path: FastPath = self.app.fast_path
        self._turn: FastRequest | None = None
        self._idle_since = math.inf
        # What is awaited, and since when; bytes that came in a row and were none of a body.
        self._awaited = HEAD
        self._since = self.loop.time()
        self._overhead = 0
        # Since when the caller takes nothing of what is sent, or of what is left at the end.
        self._stuck_since = math.inf
        # What came behind a request that is in work, and is answered after it.
        self._refused: RefusedError | None = None
        limit = self.fast_path.connections
        if len(self.connections) > limit + connection_limits.HEARING:
            transport.abort()
        elif len(self.connections) > limit and not self._make_room():
            self._refuse(connection_limits.too_many(limit))

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        if self._turn is not None:
            self.fast_path.abandon(self._turn)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self._overhead += len(data)
        if self._awaited is END:
            self._discard()
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            log.debug("an upgrade to another protocol was asked for: not done")
        except httptools.HttpParserCallbackError as error:
            self._failed(error)
        except httptools.HttpParserError:
            self.send_400_response("")
        if self._overhead > MAX_HEADER_BYTES:
            self._look_at_overhead()
        if self._turn is not None:
            self.loop.call_later(REST_SECONDS, self._give_up, self._turn)

    def on_message_begin(self) -> None:
        """Begin a request; what the ASGI app needs of it is made when it is to go there."""
        self.url = b""
        self.headers = []
        self._turn = None
        self._idle_since = math.inf
        self._awaited = HEAD
        self._since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        """Note the URL, or a part of it."""
        self.url += url
        if len(self.url) > MAX_URL_BYTES:
            raise connection_limits.long_url()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Choose the way of a request."""
        if self._overhead > MAX_HEADER_BYTES:
            self._check_headers()
        route = self.fast_path.routes.get(self.url)
        sent = dict(self.headers)
        if route is None or not self._is_free() or not self._is_plain(sent):
            self._go_the_long_way()
        else:
            self._turn = FastRequest(self, route, sent)
            self.cycle = self._turn  # type: ignore[assignment]
        self._awaited = BODY

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._overhead = 0
        if self._turn is None:
            super().on_body(body)
        else:
            self._turn.body += body

    def on_message_complete(self) -> None:
        """Answer a plain request, or tell the ASGI app that all of it is there."""
        self._awaited = NOTHING
        fast_request = self._turn
        if fast_request is None:
            self._overhead = 0
            super().on_message_complete()
            return
        self._turn = None
        if not self.fast_path.take(fast_request, fast_request.body):
            self._overhead = 0
            self._turn = fast_request
            self._hand_over(fast_request)
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
        if self._refused is not None:
            self._answer(self._refused)
            self._linger()
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
        self._refuse(connection_limits.not_http())

    def pause_writing(self) -> None:
        """Note that the caller does not take what is sent."""
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the caller takes it again."""
        self._stuck_since = math.inf
        super().resume_writing()

    def look(self, now: float) -> None:
        """End what has lasted too long; called each second.

        One look at all connections costs less than a timer for each request.
        """
        if self.transport.is_closing():
            self._stuck_since = min(self._stuck_since, now)
        waited, settings = now - self._since, self.app.app_state.settings
        stuck = now - self._stuck_since > connection_limits.SEND_SECONDS
        ended = self._awaited is END and self._is_free()
        if stuck or (ended and waited > connection_limits.LINGER_SECONDS):
            self.transport.abort()
        elif self._awaited is HEAD and waited > settings.head_seconds:
            if self._is_free():
                self._refuse(connection_limits.late_head(settings.head_seconds))
        elif self._is_left() and waited > settings.body_seconds:
            self.transport.close()

    def _is_left(self) -> bool:
        """Tell whether a request was answered before its end; who waits for a body has a limit."""
        return self._awaited is BODY and self.cycle.response_complete

    def _failed(self, error: Exception) -> None:
        """Refuse what was raised for that, which the parser hides; all else is a defect of ours."""
        if isinstance(error.__context__, RefusedError):
            self._refuse(error.__context__)
            return
        log.error("a connection failed", exc_info=error)
        self.transport.close()

    def _refuse(self, refused: RefusedError) -> None:
        """Answer what cannot become a request, unless an answer before it is not complete."""
        cycle: Any = self.cycle
        if self._awaited is BODY:
            was_answered = bool(self.pipeline) or cycle.response_started or cycle.response_complete
            cycle.disconnected = True
            cycle.message_event.set()
            if was_answered:
                self.transport.close()
                return
        elif not self._is_free():
            self._await_end(refused)
            return
        # Who sent nothing is no caller yet, but one of too many is to hear why.
        if self._overhead or self._awaited is BODY or refused.code == connection_limits.TOO_MANY:
            self._answer(refused)
        self._linger()

    def _answer(self, refused: RefusedError) -> None:
        self.transport.write(refused.written())
        self.fast_path.note(refused)

    def _linger(self) -> None:
        """Close, once a caller who is still sending has had the time to read the answer."""
        self._await_end()
        if not self.transport.is_closing():
            self.transport.write_eof()

    def _await_end(self, refused: RefusedError | None = None) -> None:
        """Read no more requests; what is refused is answered once all before it are."""
        self._refused = refused
        self._awaited = END
        self._since = self.loop.time()
        self._overhead = 0

    def _leave(self) -> None:
        """Close at the end of an answer."""
        if self._awaited is BODY:
            self._linger()
        else:
            self.transport.close()

    def _write(self, data: bytes) -> None:
        """Send a part of an answer, unless the connection was ended: uvloop would raise."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def _discard(self) -> None:
        self.flow.resume_reading()
        if self._overhead > connection_limits.LINGER_BYTES:
            self.transport.abort()

    def _look_at_overhead(self) -> None:
        """Refuse a head, or what follows a body, that has no end."""
        most = MAX_HEADER_BYTES
        if self._awaited is HEAD:
            most += MAX_URL_BYTES
        if self._awaited in (HEAD, BODY) and self._overhead > most:
            self._refuse(connection_limits.long_headers())

    def _check_headers(self) -> None:
        """Count the bytes of a head, of which and of other things there were many."""
        if sum(len(name) + len(value) + 4 for name, value in self.headers) > (MAX_HEADER_BYTES):
            raise connection_limits.long_headers()
        self._overhead = 0

    def _make_room(self) -> bool:
        """End the connection that has waited longest for its caller; False if none waits."""
        now = self.loop.time()
        waiting: list[tuple[float, int, Any]] = []
        for connection in self.connections:
            if connection is not self and isinstance(connection, Protocol):
                since = connection._since if connection._awaited is HEAD else connection._idle_since
                waiting.append((since, id(connection), connection))
        since, _, longest = min(waiting, default=(math.inf, 0, None))
        if longest is None or now - since < connection_limits.PATIENT_SECONDS:
            return False
        longest.transport.abort()
        return True

    def _is_free(self) -> bool:
        """Tell whether no request before is in work, and what was answered has been read."""
        cycle: Any = self.cycle  # None before the first one
        return (cycle is None or cycle.response_complete) and not self.flow.write_paused

    def _is_plain(self, sent: dict[bytes, bytes]) -> bool:
        parser = self.parser
        if parser.get_method() != b"POST" or not parser.should_keep_alive():
            return False
        if len(sent) != len(self.headers) or not self.fast_path.special.isdisjoint(sent):
            return False
        # HTTP/1.0 keeps a connection only where this header says so; uvicorn never does.
        if b"connection" in sent and parser.get_http_version() != "1.1":
            return False
        length = sent.get(b"content-length", b"")
        if len(length) > 5 or not length.isdigit() or int(length) > SHORT_BYTES:
            return False
        return self.fast_path.is_plain((sent.get(b"content-type"), sent.get(b"accept")))

    def _go_the_long_way(self) -> None:
        """Let uvicorn make of the headers what it would have made at once."""
        url, headers = self.url, self.headers
        _check_url(url)
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()
        self.headers = []  # those behind a body in chunks are not the request's
        self.cycle.transport = SimpleNamespace(  # type: ignore[assignment]
            write=self._write, is_closing=self.transport.is_closing, close=self._leave
        )

    def _hand_over(self, fast_request: FastRequest) -> None:
        """Let a request that has begun its short way go the long one."""
        self._turn = None
        fast_request.response_complete = True
        self._go_the_long_way()
        if fast_request.body:
            super().on_body(fast_request.body)

    def _give_up(self, fast_request: FastRequest) -> None:
        if fast_request is self._turn and not fast_request.disconnected:
            self._hand_over(fast_request)


def _check_url(url: bytes) -> None:
    """Refuse what uvicorn fails at."""
    try:
        path = httptools.parse_url(url).path
    except httptools.HttpParserInvalidURLError as error:
        raise connection_limits.wrong_url() from error
    if not path or not path.isascii():
        raise connection_limits.wrong_url()
