"""Connections to the router, each within bounds of size and time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


@dataclass(frozen=True)
class Bounds:
    """Limits of one connection, and of their number.

    Attributes
    ----------
    connections : int
        At a time.
    url_bytes, header_bytes, headers : int
        Of one request: path and query, all header lines together, and their number.
    head_seconds, request_seconds : float
        From the first byte of a request to the end of its headers, and to the end of its body.
    linger_seconds : float
        For a refused client to read the answer before the connection is closed.
    """

    connections: int = 1000
    url_bytes: int = 8 << 10
    header_bytes: int = 64 << 10
    headers: int = 100
    head_seconds: float = 15.0
    request_seconds: float = 60.0
    linger_seconds: float = 5.0


class Connection(HttpToolsProtocol):
    """uvicorn's reader of HTTP, which refuses what is too long, too slow or too much."""

    bounds: ClassVar[Bounds] = Bounds()

    _refusal: tuple[HTTPStatus, str] | None = None
    _refused = False
    _timer: asyncio.TimerHandle | None = None
    #: Bytes since the parser reported anything: it holds an unfinished line in memory.
    _unreported = 0
    _header_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Begin, unless there are too many."""
        super().connection_made(transport)
        most = self.bounds.connections
        if len(self.connections) > most:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"more than {most} connections: try again")
        else:
            self._allow(self.bounds.head_seconds, "the headers")

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, as far as it is within bounds."""
        if self._refused:
            return
        self._unreported += len(data)
        super().data_received(data)
        if self._unreported > self.bounds.header_bytes:
            self._refusal = self._too_long()
        if self._refusal and not self._refused:
            self._refuse(*self._refusal)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._unreported = self._header_bytes = 0
        self._allow(self.bounds.head_seconds, "the headers")
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of path and query."""
        self._unreported = 0
        if len(self.url) + len(url) > self.bounds.url_bytes:
            said = f"path and query have more than {self.bounds.url_bytes} bytes"
            self._refusal = HTTPStatus.REQUEST_URI_TOO_LONG, said
        else:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer after the body."""
        self._unreported = 0
        self._header_bytes += len(name) + len(value) + len(b": \r\n")
        many = len(self.headers) >= self.bounds.headers
        if many or self._header_bytes > self.bounds.header_bytes:
            self._refusal = self._refusal or self._too_long()
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the application begin, if all is within bounds."""
        self._unreported = 0
        if not self._refusal:
            self._allow(self.bounds.request_seconds, "the whole request")
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unreported = 0
        if not self._refusal:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._unreported = 0
        self._stop_timer()
        if not self._refusal:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and close the connection."""
        self._refuse(HTTPStatus.BAD_REQUEST, "the request is not HTTP/1.1")

    def _too_long(self) -> tuple[HTTPStatus, str]:
        bounds = self.bounds
        said = f"more than {bounds.headers} headers, or than {bounds.header_bytes} bytes of them"
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, said

    def _allow(self, seconds: float, what: str) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._time_out, seconds, what)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self, seconds: float, what: str) -> None:
        if self.flow.read_paused:  # it is not the sender that takes its time
            self._allow(seconds, what)
        else:
            said = f"{what} did not come within {seconds:g} s: send it again"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, said)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer with an error, if nothing else is being answered, and close soon.

        Closing at once would reset the connection while the client still sends, and it would not
        read the answer.
        """
        self._refused = True
        self._stop_timer()
        cycle: Any = self.cycle  # None before the first one
        busy = cycle is not None and not cycle.response_complete
        if busy:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.transport.is_closing():
            return
        if busy and cycle.response_started:
            self.transport.close()
            return
        self.transport.write(_answer(status, message))
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(self.bounds.linger_seconds, self.transport.close)


def _answer(status: HTTPStatus, message: str) -> bytes:
    body = json.dumps({"error": message}).encode()
    retry = "retry-after: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"{retry}content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
