"""The process around the app: a socket, uvicorn, and an end at which nothing accepted is lost."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import math
import os
import signal
import socket
import struct
import sys
import time
from types import FrameType
from typing import NoReturn

import uvicorn

from inference.lifecycle import Lifecycle
from inference.settings import Settings

#: Longer than the 60 s for which load balancers keep idle connections, so that theirs ends first.
KEEP_ALIVE_SECONDS = 75
#: SageMaker kills 30 s after SIGTERM («How SageMaker stops your container»), Cloud Run after 10.
FINISH_SECONDS = 25
#: No request for so long means that callers have gone elsewhere.
QUIET_SECONDS = 0.5
#: Time to take what the kernel still holds after the last connection was let in.
LAST_CALL_SECONDS = 0.2
#: Linux: asm-generic/socket.h; Python has no name for it.
SO_ATTACH_FILTER = 26

log = logging.getLogger(__name__)


def serve(settings: Settings, host: str, port: int) -> int:
    """Serve until SIGTERM or Ctrl-C, then end this process; it returns only if it cannot listen.

    The model loads while the server already listens and says 503. If it cannot be loaded, the
    reason goes to standard error and the process ends with 1 at once.

    Returns
    -------
    int
        The exit code 1.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        listener = _listener(host, port)
    except OSError as error:
        log.error("cannot listen on %s:%d: %s", host, port, error.strerror or error)
        return 1
    log.info("listening on %s:%d", host, port)
    return _serve_on(listener, settings)


def _serve_on(listener: socket.socket, settings: Settings) -> NoReturn:
    lifecycle = Lifecycle()
    lifecycle.load(settings.bundle, _fail)
    from inference.app import create_app  # after that thread began: both import a lot
    from inference.protocol import Protocol

    config = uvicorn.Config(
        create_app(settings, lifecycle=lifecycle),
        http=Protocol,
        interface="asgi3",
        lifespan="off",
        proxy_headers=False,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    Server(config, lifecycle, drain=settings.drain).run(sockets=[listener])
    _end(0)


class Server(uvicorn.Server):
    """uvicorn that takes its time to end.

    SIGTERM comes while callers still send: those who find the server not ready go elsewhere, but
    not at once. So it goes on taking connections, answers each request with ``Connection: close``,
    and closes its socket when no request came for a while.

    Parameters
    ----------
    config : uvicorn.Config
        What to run, and how.
    lifecycle : Lifecycle
        Told of the signal at once.
    drain : float
        Longest time to go on taking connections, in seconds.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, *, drain: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_seconds = drain
        self._seen, self._seen_at = 0, -math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second Ctrl-C ends at once."""
        self._lifecycle.drain()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let callers go, then take no more, then finish what was accepted."""
        await self._let_go()
        for listener in sockets or ():
            _let_in_nobody(listener)
        await asyncio.sleep(LAST_CALL_SECONDS)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """See, ten times a second, whether requests came."""
        self._look()
        return await super().on_tick(counter)

    async def _let_go(self) -> None:
        end = time.monotonic() + self._drain_seconds
        while not self.force_exit and self._look() < QUIET_SECONDS and time.monotonic() < end:
            await asyncio.sleep(0.05)

    def _look(self) -> float:
        """Return for how many seconds no request has come to its end."""
        if self.server_state.total_requests != self._seen:
            self._seen, self._seen_at = self.server_state.total_requests, time.monotonic()
        return time.monotonic() - self._seen_at


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    listener.setblocking(False)
    return listener


def _let_in_nobody(listener: socket.socket) -> None:
    """Have the kernel drop connections that begin now, while those it holds are still taken.

    Closing a listening socket resets every connection that is established but not yet accepted.
    A socket filter that passes no packet (Linux, «filter.txt», one BPF instruction: return 0)
    keeps new ones out first; their callers try again and find the port closed.
    """
    if not sys.platform.startswith("linux"):
        return
    return_nothing = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    program = struct.pack("HL", 1, ctypes.addressof(return_nothing))
    try:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except OSError:
        log.debug("no socket filters here: connections of the last moment may be reset")


def _fail(reason: str) -> NoReturn:
    log.error("%s", reason)
    _end(1)


def _end(code: int) -> NoReturn:
    """End now: a thread that never comes back must not hold the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
