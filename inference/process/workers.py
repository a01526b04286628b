"""Worker processes that share one port: forked with the model loaded, watched, ended together."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from tridock.inference.monitoring.metrics import Metrics
from tridock.inference.process.uvicorn_server import DRAIN, FINISH, LAST_CALL_SECONDS, QUIET_SECONDS

IGNORED = (signal.SIGTERM, signal.SIGINT)
#: So often the supervisor looks.
TICK_SECONDS = 0.05
#: A worker whose event loop has stood still for so long is ended and started again.
STILL_SECONDS = 60.0
#: A worker that died sooner than this is not started again at once: it may die again.
SOON_SECONDS = 1.0

log = logging.getLogger(__name__)

#: Serves in the process of a worker, whose number it gets, and ends it.
Serve = Callable[[int], NoReturn]
#: Keeps new connections out.
Shut = Callable[[], None]


class Supervisor:
    """Starts workers, starts those again that die, and ends them all when it is told to end.

    Parameters
    ----------
    count : int
        How many workers.
    serve : callable
        What each does.
    metrics : Metrics
        Shows whether requests come and workers live.
    """

    def __init__(self, count: int, serve: Serve, metrics: Metrics) -> None:
        self._count = count
        self._serve = serve
        self._metrics = metrics
        self._places: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._signals = 0
        # Its other end is open as long as this process lives; workers watch for that.
        self._watched, self._held = os.pipe()

    def run(self, *, drain: float, shut: Shut) -> None:
        """Supervise until SIGTERM or Ctrl-C, then end the workers in good order.

        Parameters
        ----------
        drain : float
            Longest time to go on taking connections, in seconds, while requests come.
        shut : callable
            Keeps new connections out.
        """
        for number in IGNORED:
            signal.signal(number, self._told)
        # A worker hears these when it is ready to, though they were sent before.
        signal.pthread_sigmask(signal.SIG_BLOCK, (DRAIN, FINISH))
        for place in range(self._count):
            self._start(place)
        while not self._signals:
            self._look()
            time.sleep(TICK_SECONDS)
        self._tell(DRAIN)
        self._wait_quiet(drain)
        shut()
        time.sleep(LAST_CALL_SECONDS)
        self._tell(FINISH)
        while self._places:
            self._bury(again=False)
            time.sleep(TICK_SECONDS)

    def _told(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 1 and number == signal.SIGINT:
            self._tell(signal.SIGKILL)

    def _tell(self, number: int) -> None:
        for pid in self._places:
            os.kill(pid, number)

    def _look(self) -> None:
        self._bury(again=True)
        now = time.time()
        for pid, place in list(self._places.items()):
            beat = self._metrics.beat(place) or self._started[pid]
            if now - max(beat, self._started[pid]) > STILL_SECONDS:
                log.error("worker %d (process %d) stands still: it is ended", place, pid)
                os.kill(pid, signal.SIGKILL)

    def _bury(self, *, again: bool) -> None:
        """Take note of workers that ended; start them again unless all shall end."""
        for pid, place in list(self._places.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            del self._places[pid]
            if again:
                why = os.waitstatus_to_exitcode(status)
                words = f"by signal {-why}" if why < 0 else f"with code {why}"
                log.error("worker %d (process %d) ended %s: started again", place, pid, words)
                time.sleep(max(0.0, SOON_SECONDS - (time.time() - self._started[pid])))
                self._start(place)

    def _start(self, place: int) -> None:
        pid = os.fork()
        if pid:
            self._places[pid] = place
            self._started[pid] = time.time()
            return
        try:
            for number in IGNORED:
                signal.signal(number, signal.SIG_IGN)
            os.close(self._held)
            os.dup2(self._watched, 0)
            self._metrics.take(place)
            self._serve(place)
        finally:
            os._exit(1)

    def _wait_quiet(self, drain: float) -> None:
        end, seen, since = time.monotonic() + drain, -1.0, time.monotonic()
        while self._signals < 2 and time.monotonic() < end:
            requests = self._metrics.requests()
            if requests != seen:
                seen, since = requests, time.monotonic()
            elif time.monotonic() - since >= QUIET_SECONDS:
                return
            self._bury(again=False)
            time.sleep(TICK_SECONDS)
