"""The HTTP/1.1 server: werkzeug's request parsing with connections that stay open."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer
from werkzeug.wsgi import LimitedStream

from tridock.emulators.faults import ConnectionDropped
from tridock.emulators.http_headers import check_length

#: Most bytes of an unread body that are discarded; above, the connection is closed.
DRAIN_BYTES = 64 * 1024 * 1024

log = logging.getLogger(__name__)


class Handler(MotoRequestHandler):
    """One connection. werkzeug's own handler closes it after each request; this one does not."""

    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes: Nagle would hold the second back for 40 ms.
    disable_nagle_algorithm = True
    wbufsize = -1

    def parse_request(self) -> bool:
        """Read the request's head; False if it was refused."""
        return bool(super().parse_request()) and check_length(self)

    def run_wsgi(self) -> None:
        """Answer one request."""
        environ = self.make_environ()
        environ["tridock.headers"] = self.headers  # as sent: WSGI folds their names
        body = self._bounded(environ)
        answer = _Answer(self)
        try:
            answer.send(self.server.app(environ, answer.start))
        except ConnectionDropped:
            self.close_connection = True
            return
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        self._drain(body)

    def handle_expect_100(self) -> bool:
        """Send the client `100 Continue` now: the answer's buffer is flushed only at its end."""
        going_on = bool(super().handle_expect_100())
        self.wfile.flush()
        return going_on

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep requests out of the log: the front logs what matters."""

    def _bounded(self, environ: dict[str, Any]) -> Any:
        """Give the application a body that ends where the request does."""
        if not environ.get("wsgi.input_terminated"):
            length = int(environ.get("CONTENT_LENGTH") or 0)
            environ["wsgi.input"] = LimitedStream(self.rfile, length)  # type: ignore[arg-type]
            environ["wsgi.input_terminated"] = True
        return environ["wsgi.input"]

    def _drain(self, body: Any) -> None:
        left = DRAIN_BYTES
        while left > 0:
            chunk = body.read(min(left, 1 << 20))
            if not chunk:
                return
            left -= len(chunk)
        self.close_connection = True


class _Answer:
    """One answer that is being sent: with the application's length, else in chunks."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._begun = False
        self._chunked = False

    def start(
        self, status: str, headers: list[tuple[str, str]], error: object = None
    ) -> Callable[[bytes], None]:
        self._status, self._headers = status, headers
        return self._write

    def send(self, parts: Iterable[bytes]) -> None:
        try:
            for part in parts:
                self._write(part)
            if not self._begun:
                self._write(b"")
            if self._chunked:
                self._handler.wfile.write(b"0\r\n\r\n")
            self._handler.wfile.flush()
        finally:
            close = getattr(parts, "close", None)
            if close:
                close()

    def _write(self, data: bytes) -> None:
        out = self._handler.wfile
        if not self._begun:
            self._begin()
        if data and self._handler.command != "HEAD":
            out.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
            if self._chunked:
                out.flush()

    def _begin(self) -> None:
        self._begun = True
        code, _, phrase = self._status.partition(" ")
        self._handler.send_response(int(code), phrase or HTTPStatus(int(code)).phrase)
        names = {name.lower() for name, _ in self._headers}
        for name, value in self._headers:
            self._handler.send_header(name, value)
        self._chunked = "content-length" not in names and self._has_body(int(code))
        if self._chunked:
            self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def _has_body(self, code: int) -> bool:
        return self._handler.command != "HEAD" and code >= 200 and code not in (204, 304)


class Server(ThreadedWSGIServer):
    """Answers on the loopback, one thread per connection."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a connection's thread could not handle."""
        log.exception("connection from %s", client_address)


def listen(port: int) -> BaseWSGIServer:
    """Bind 127.0.0.1:`port`, 0 for a free one; set `app` before serving.

    Raises
    ------
    OSError
        If another program has the port.
    """
    with socket.create_server(("127.0.0.1", port), backlog=Server.request_queue_size) as listener:
        return Server("127.0.0.1", port, _nothing, Handler, fd=listener.fileno())


def _nothing(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    start("503 Service Unavailable", [("Content-Length", "0")])
    return []
