"""The model server of one deployment: waited for, started again when it ends, and ended."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tridock.inference.process.model_server import ModelServer, wait_ready

# When a server that ended is started again: at once, then ever later while it keeps ending.

#: Seconds of the first pause, which doubles, and of the longest one. The first restart has none.
FIRST, LONGEST = 1.0, 60.0
#: Seconds after which a server is steady: its next end is a first one again.
STEADY = 300.0


@dataclass(frozen=True)
class Restarts:
    """Number of restarts of a server, and the time of the next one.

    Attributes
    ----------
    count : int
        Restarts since the deployment was made.
    in_a_row : int
        Ends without a steady time between them.
    last_exit : str
        How it ended the last time, in words; empty if it never did.
    next_try : float or None
        Seconds since 1970; None while it runs.
    """

    count: int = 0
    in_a_row: int = 0
    last_exit: str = ""
    next_try: float | None = None

    def ended(self, how: str, *, lived: float, now: float) -> Restarts:
        """Return what follows from an end: when to start it again.

        Parameters
        ----------
        how : str
            How it ended, in words.
        lived : float
            Seconds for which it was ready.
        now : float
            Seconds since 1970.
        """
        in_a_row = 1 if lived >= STEADY else self.in_a_row + 1
        pause = min(FIRST * 2.0 ** (in_a_row - 2), LONGEST) if in_a_row > 1 else 0.0
        return replace(self, in_a_row=in_a_row, last_exit=how, next_try=now + pause)

    def started(self) -> Restarts:
        """Return what follows from another start."""
        return replace(self, count=self.count + 1, next_try=None)


def exit_text(code: int | None) -> str:
    """Return how a process ended, in words; None for one that runs and does not answer."""
    if code is None:
        return "it did not answer in time"
    if code < 0:
        with suppress(ValueError):
            return f"code {code} ({signal.Signals(-code).name})"
    return f"code {code}"


log = logging.getLogger(__name__)

#: Seconds a model has to answer its health route, as SageMaker gives it ("How Containers Should
#: Respond to Health Check (Ping) Requests"), and seconds to finish what it accepted.
STARTUP, DRAIN = 240.0, 30.0
#: Seconds between looks whether it still runs.
LOOK = 0.1


@dataclass
class Supervised:
    """A model server and those that follow it.

    One that was ready once is started again whenever it ends, as the clouds do with containers. One
    that never was is not: a deployment that does not come up has failed.

    Attributes
    ----------
    start : callable
        Starts a server and returns at once.
    server : ModelServer
        The one that runs, or ran last.
    ready : bool
        Whether it takes requests.
    reason : str
        Why nothing runs; empty while something does, or is coming up.
    """

    start: Callable[[], ModelServer]
    server: ModelServer
    restarts: Restarts = field(default_factory=Restarts)
    ready: bool = False
    reason: str = ""
    _stopping: bool = False
    _was_ready: bool = False
    _again: asyncio.Event = field(default_factory=asyncio.Event)

    def state(self) -> tuple[str, str]:
        """Return its state, and the reason if it failed."""
        code = self.server.exit_code()
        if self.reason:
            return "failed", self.reason
        if code is not None:
            return "failed", self._told(code)
        return ("ready" if self.ready else "creating"), ""

    def is_up(self) -> bool:
        """Tell whether a request can be sent to it."""
        return self.ready and self.server.exit_code() is None

    def try_again(self) -> None:
        """Start it now if nothing runs, without the rest of the pause."""
        if self.state()[0] == "failed":
            self.reason = ""
            self._again.set()

    async def follow(self) -> None:
        """Wait until the server is ready, and start it again when it ends, until `stop`."""
        while not self._stopping:
            self.ready = await asyncio.to_thread(wait_ready, self.server, timeout=STARTUP)
            self._was_ready |= self.ready
            began = time.monotonic()
            await self._ended()
            if not self._stopping:
                await self._replace(lived=time.monotonic() - began if self.ready else 0.0)

    async def stop(self) -> None:
        """End it for good. It gets no new request."""
        self._stopping = True
        self._again.set()
        await asyncio.to_thread(self.server.stop, grace=DRAIN)

    async def _ended(self) -> None:
        """Return when a server that is ready has ended, or is to end."""
        while self.is_up() and not self._stopping:
            await asyncio.sleep(LOOK)

    async def _replace(self, *, lived: float) -> None:
        """Start another server once the pause is over, or at once on demand."""
        code = self.server.exit_code()
        self.ready, now = False, time.time()
        if self._was_ready:
            self.restarts = self.restarts.ended(exit_text(code), lived=lived, now=now)
            log.warning("the model server %s ended: %s", self.server.log, exit_text(code))
        pause = (self.restarts.next_try or now) - now if self._was_ready else None
        self.reason = self._told(code) if pause != 0 else ""
        await self._pause(pause)
        await asyncio.to_thread(self.server.stop, grace=1.0)  # one that hangs still runs
        if not self._stopping:
            self._start()

    async def _pause(self, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(self._again.wait(), seconds)
        except TimeoutError:
            return
        finally:
            self._again.clear()

    def _start(self) -> None:
        try:
            self.server = self.start()
        except OSError as error:
            log.error("the model server %s does not start: %s", self.server.log, error)
            return  # the server that ended is looked at again, and counted
        self.restarts = self.restarts.started()
        self.reason = ""

    def _told(self, code: int | None) -> str:
        what = f"ended with {exit_text(code)}"
        if code is None:
            what = f"is not ready within {STARTUP:g} s"
        return f"the model server {what}:\n{self.server.tail(12)}"
