"""The process around the app: a socket, one process or several, and an end that loses nothing."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import FrameType
from typing import NoReturn

import uvicorn

from tridock.inference import cpu, plaintext
from tridock.inference.monitoring.metrics import Metrics
from tridock.inference.process import uvicorn_server
from tridock.inference.process.parent_watch import watch_stdin
from tridock.inference.process.uvicorn_server import (
    DRAIN,
    FINISH,
    LAST_CALL_SECONDS,
    QUIET_SECONDS,
    let_in_nobody,
)
from tridock.inference.settings import Settings
from tridock.inference.web.lifecycle import Lifecycle

#: Longer than the 60 s for which load balancers keep idle connections, so that theirs ends first.
KEEP_ALIVE_SECONDS = 75
#: SageMaker kills 30 s after SIGTERM («How SageMaker stops your container»), Cloud Run after 10.
FINISH_SECONDS = 25
#: A model that loads within this time is not worth a server that says it is not ready.
HEAD_START_SECONDS = 0.5

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
    plaintext.log_to_stderr(logging.INFO, "%(levelname)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        listener = _listener(host, port)
    except OSError as error:
        log.error("cannot listen on %s:%d: %s", host, port, error.strerror or error)
        return 1
    log.info("listening on %s:%d", host, port)
    return _load_and_serve(listener, settings)


def _load_and_serve(listener: socket.socket, settings: Settings) -> NoReturn:
    """Serve in this process, or in as many as shall predict at the same time.

    Workers are forked when the model is loaded, so its memory is shared. Until then this process
    says 503. A script of the user's stays in one process, with threads: it may keep state.
    """
    cpu.share(settings.workers)
    lifecycle = Lifecycle()
    loading = lifecycle.load(settings.bundle, _fail)
    metrics = Metrics(settings.workers)
    house = ServerProcess(listener, settings, lifecycle, metrics)
    if settings.workers > 1:
        loading.join(HEAD_START_SECONDS)
        if loading.is_alive():
            house.wait(loading)
        if lifecycle.loaded().script is None:
            house.divide()
    house.serve()


@dataclass(frozen=True)
class ServerProcess:
    """One server process: its listener, settings, lifecycle and metrics."""

    listener: socket.socket
    settings: Settings
    lifecycle: Lifecycle
    metrics: Metrics

    def serve(self) -> NoReturn:
        """Serve alone."""
        uvicorn_server.SingleServer(self._config(), drain=self.settings.drain).run(
            sockets=[self.listener]
        )
        _end(0)

    def wait(self, loading: threading.Thread) -> None:
        """Say 503 until the model is loaded."""
        uvicorn_server.LoadingServer(self._config(), loading).run(sockets=[self.listener.dup()])
        if self.lifecycle.is_draining:
            _end(0)
        loading.join()

    def divide(self) -> NoReturn:
        """Serve in workers, and watch them."""
        settings = replace(self.settings, processes=self.settings.workers)
        worker = replace(self, settings=settings)
        supervisor = Supervisor(settings.workers, worker.work, self.metrics)
        supervisor.run(drain=settings.drain, shut=partial(let_in_nobody, self.listener))
        _end(0)

    def work(self, place: int) -> NoReturn:
        """Serve as one of several."""
        watch_stdin()
        self.lifecycle.ready_model()  # the model's first prediction is not the first caller's
        uvicorn_server.Worker(self._config()).run(sockets=[self.listener])
        _end(0)

    def _config(self) -> uvicorn.Config:
        from tridock.inference.web.app import create_app
        from tridock.inference.web.http_protocol import Protocol

        app = create_app(self.settings, lifecycle=self.lifecycle, metrics=self.metrics)
        return uvicorn.Config(
            app,
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


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    listener.setblocking(False)
    return listener


def _fail(reason: str) -> NoReturn:
    log.error("%s", reason)
    _end(1)


def _end(code: int) -> NoReturn:
    """End now: a thread that never comes back must not hold the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


# Worker processes that share one port: forked with the model loaded, watched, ended together.

IGNORED = (signal.SIGTERM, signal.SIGINT)
#: So often the supervisor looks.
TICK_SECONDS = 0.05
#: Seconds without a turn of its event loop after which a worker is ended and started again.
STILL_SECONDS = 60.0
#: A worker that died sooner than this is not started again at once: it may die again.
SOON_SECONDS = 1.0


#: Serves in the process of a worker, whose number it gets, and ends it.
Serve = Callable[[int], NoReturn]
#: Keeps new connections out.
Shut = Callable[[], None]


class Supervisor:
    """Starts workers, starts those again that die, and ends them all on a signal.

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
