"""uvicorn that ends in good order: alone, as one of several, or once the model is loaded."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import math
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from tridock.inference.web.app_state import AppState

#: Seconds without a request after which callers have gone elsewhere.
QUIET_SECONDS = 0.5
#: Time to take what the kernel still holds after the last connection was let in.
LAST_CALL_SECONDS = 0.2
#: Signals of a supervisor to its workers, which know no other: those sent to all of a terminal's
#: or a container's processes is for the supervisor to act on.
DRAIN, FINISH = signal.SIGUSR1, signal.SIGUSR2
#: Linux: asm-generic/socket.h; Python has no name for it.
SO_ATTACH_FILTER = 26

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn that drains before its end and shows that it lives."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app_state: AppState = config.app.app_state  # type: ignore[union-attr]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second Ctrl-C ends at once."""
        self._app_state.lifecycle.drain()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Tell, ten times a second, that this process lives; now and then, what it answered."""
        self._app_state.metrics.tell()
        self._app_state.summary_log.look()
        if counter % 10 == 0:
            self._look_at_connections()
        return await super().on_tick(counter)

    def _look_at_connections(self) -> None:
        """End, each second, what a caller has let wait for too long."""
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            connection.look(now)  # type: ignore[union-attr]  # all are of our protocol class

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what was accepted, and tell what was answered."""
        await super().shutdown(sockets)
        await self._app_state.summary_log.close()


class SingleServer(_Server):
    """A server of one process, which takes its time to end.

    SIGTERM comes while callers still send: those who find the server not ready go elsewhere, but
    not at once. So it goes on taking connections, answers each request with ``Connection: close``,
    and closes its socket when no request came for a while.

    Parameters
    ----------
    config : uvicorn.Config
        What to run, and how.
    drain : float
        Longest time to go on taking connections, in seconds.
    """

    def __init__(self, config: uvicorn.Config, *, drain: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain
        self._seen, self._seen_at = 0, -math.inf

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let callers go, then take no more, then finish what was accepted."""
        await self._let_go()
        for listener in sockets or ():
            let_in_nobody(listener)
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


class Worker(_Server):
    """One of several, which ends as its supervisor says."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Listen to the supervisor; signals that it sent before are delivered now."""
        signal.signal(DRAIN, self._drain)
        signal.signal(FINISH, self.handle_exit)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (DRAIN, FINISH))
        yield

    def _drain(self, sig: int, frame: FrameType | None) -> None:
        self._app_state.lifecycle.drain()


class LoadingServer(_Server):
    """Says that the model is not loaded, until it is.

    Parameters
    ----------
    config : uvicorn.Config
        What to run, and how.
    loading : Thread
        Ends when the model is loaded.
    """

    def __init__(self, config: uvicorn.Config, loading: threading.Thread) -> None:
        super().__init__(config)
        self._loading = loading

    async def on_tick(self, counter: int) -> bool:
        """See, ten times a second, whether the model is loaded."""
        return await super().on_tick(counter) or not self._loading.is_alive()


def let_in_nobody(listener: socket.socket) -> None:
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
