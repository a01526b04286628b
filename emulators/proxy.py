"""A CONNECT proxy that leads the clouds' real host names to this machine, and nothing else out."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from tridock.emulators.certificates import Authority

log = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
#: A client has this many real seconds for the lines of its request and for the TLS handshake.
GREETING_SECONDS = 30.0


@dataclass(frozen=True)
class Route:
    """The local ports behind some hosts. TLS ends in the proxy; the ports get plain HTTP.

    Attributes
    ----------
    hosts : str
        A pattern of lower-case names, e.g. ``"*.googleapis.com"`` (``*`` spans dots).
    http : int
        Port on the loopback that gets HTTP/1.1.
    http2 : int or None
        Port that gets clients which speak HTTP/2 only, such as gRPC; None refuses them.
    plain : bool
        Whether requests without TLS are led there, too: for hosts that know none.
    """

    hosts: str
    http: int
    http2: int | None = None
    plain: bool = False


class Proxy:
    """One listening proxy, in a thread of its own.

    Clients find it by ``HTTPS_PROXY`` and ``HTTP_PROXY`` (RFC 9110, 9.3.6 CONNECT). Hosts that no
    route names are refused with 403: a client led here cannot reach the real cloud by accident.

    Parameters
    ----------
    routes : Sequence of Route
        The first that matches counts.
    authority : Authority
        Vouches for the hosts.
    """

    def __init__(self, routes: Sequence[Route], authority: Authority) -> None:
        self._routes = tuple(routes)
        self._authority = authority
        self._listening: Future[None] = Future()
        self._end: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=lambda: None)
        self.port = 0

    def listen(self, port: int) -> int:
        """Listen on 127.0.0.1:`port`, 0 for a free one, and return the port.

        Raises
        ------
        OSError
            If another program has the port.
        """
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = int(listener.getsockname()[1])
        target = partial(self._run, listener)
        self._thread = threading.Thread(target=target, name="proxy", daemon=True)
        self._thread.start()
        self._listening.result()
        return self.port

    def stop(self) -> None:
        """Close every connection and end the thread."""
        self._end()
        self._thread.join()

    def _run(self, listener: socket.socket) -> None:
        asyncio.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        ended = asyncio.Event()
        self._end = partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set)
        server = await asyncio.start_server(self._client, sock=listener)
        self._listening.set_result(None)
        await ended.wait()
        server.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that goes away, or that does not trust the authority, ends its own connection.
        with suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError, ValueError):
            async with asyncio.timeout(GREETING_SECONDS):
                port, head = await self._greet(reader, writer)
            if port:
                await _join(reader, writer, port, head=head)
        with suppress(OSError, ssl.SSLError, RuntimeError):
            writer.close()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int | None, bytes]:
        """Read the request, end TLS, and return the local port; None if it was refused.

        The bytes are the request's head, where it was no CONNECT and has to go there, too.
        """
        method, host, head = await _request(reader)
        route = self._route(host)
        if route and route.plain and method != "CONNECT":
            return route.http, head
        if method != "CONNECT" or route is None:
            log.warning("refused %s %s", method, host)
            await _refuse(writer, host)
            return None, b""
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await writer.start_tls(self._authority.context(host))
        channel = writer.get_extra_info("ssl_object")
        return (route.http2 if channel.selected_alpn_protocol() == "h2" else route.http), b""

    def _route(self, host: str) -> Route | None:
        return next((r for r in self._routes if fnmatchcase(host, r.hosts)), None)


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    """Read a request's head; return method, host in lower case, and the head for its server."""
    line = (await reader.readuntil(b"\r\n")).decode("latin-1")
    fields = []
    while (field := await reader.readuntil(b"\r\n")) != b"\r\n":
        fields.append(field)
    method, target, version = line.split()
    rest = ""
    if method != "CONNECT":
        target, _, rest = target.partition("://")[2].partition("/")
    host = target.rpartition(":")[0].lower() or target.lower()
    # RFC 9112, 3.2: a proxy gets the whole address, a server the path. One request a connection:
    # the next one could be for another host.
    head = f"{method} /{rest} {version}\r\nConnection: close\r\n".encode("latin-1")
    kept = [line for line in fields if not line.lower().startswith((b"connection:", b"proxy-"))]
    return method, host, head + b"".join(kept) + b"\r\n"


async def _refuse(writer: asyncio.StreamWriter, host: str) -> None:
    # Clients show the reason phrase of a failed CONNECT and no body: the words stand in both.
    words = f"Refused by the emulated cloud: {host} is not one of its hosts"
    body = f"{words}. Unset HTTPS_PROXY to leave the emulated cloud.\n".encode()
    head = f"HTTP/1.1 403 {words}\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, *, head: bytes = b""
) -> None:
    """Carry bytes both ways until both sides have ended, `head` first."""
    local_reader, local_writer = await asyncio.open_connection("127.0.0.1", port)
    local_writer.write(head)
    client = writer.get_extra_info("socket")
    await asyncio.gather(_carry(reader, local_writer, client), _carry(local_reader, writer, client))


def _acknowledge(client: socket.socket) -> None:
    """Let the kernel acknowledge at once what the client sends next.

    urllib3 leaves Nagle's algorithm on towards proxies: a request's body waits for the
    acknowledgement of its head, which Linux holds back for 40 ms (tcp(7), TCP_QUICKACK).
    """
    if hasattr(socket, "TCP_QUICKACK"):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: socket.socket
) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
            _acknowledge(client)
    except (OSError, ssl.SSLError):
        pass
    finally:
        with suppress(OSError, ssl.SSLError, RuntimeError):
            writer.close()
