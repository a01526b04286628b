"""The HTTP/1.1 server: a thread per connection, bodies read whole, answers whole or in parts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from tridock.emulators.faults import ConnectionDropped
from tridock.emulators.gcp.protocol.wire import Answer, Request
from tridock.emulators.http_headers import check_length

log = logging.getLogger(__name__)

Application = Callable[[Request], Answer]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "ESF"
    # Headers and body leave in two writes: Nagle would hold the second back for 40 ms.
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def parse_request(self) -> bool:
        """Read the request's head; False if it was refused."""
        return super().parse_request() and check_length(self)

    def answer(self) -> None:
        """Answer one request of any verb."""
        try:
            self._send(self.server.application(self._read()))
        except ConnectionDropped:
            self.close_connection = True
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer  # noqa: N815

    def handle_expect_100(self) -> bool:
        """Tell the client to go on, now: the answer's buffer is flushed only at its end."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep requests out of the log: the front logs what matters."""

    def _read(self) -> Request:
        path, _, query = self.path.partition("?")
        return Request(
            self.command,
            self.headers.get("Host", "").lower(),
            path,
            tuple(parse_qsl(query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self._body(),
        )

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunk(self) -> bytes:
        try:
            size = int(self.rfile.readline().partition(b";")[0], 16)
        except ValueError as error:
            raise ConnectionAbortedError("a chunk without a size") from error
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _send(self, answer: Answer) -> None:
        self._status = answer.status
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            self._whole(answer.body)
        else:
            self._parts(answer)
        self.wfile.flush()

    def _whole(self, body: bytes) -> None:
        # RFC 9110, 8.6: no length with 204 and 304.
        if self._status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _parts(self, answer: Answer) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in answer.body:
            if isinstance(part, bytes) and part:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    """Answers on the loopback.

    Parameters
    ----------
    port : int
        Where to listen on 127.0.0.1; 0 for a free port.
    application : callable
        Answers requests; must not raise but `ConnectionDropped`.

    Raises
    ------
    OSError
        If another program has the port.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, application: Application) -> None:
        self.application = application
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a connection's thread could not handle."""
        log.exception("connection from %s", client_address)
