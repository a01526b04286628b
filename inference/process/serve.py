"""The process around the app: a socket, one process or several, and an end that loses nothing."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

import uvicorn

from tridock.inference import cpu, plaintext
from tridock.inference.monitoring.metrics import Metrics
from tridock.inference.process import uvicorn_server
from tridock.inference.process.parent_watch import watch_stdin
from tridock.inference.process.uvicorn_server import let_in_nobody
from tridock.inference.process.workers import Supervisor
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
    house = _House(listener, settings, lifecycle, metrics)
    if settings.workers > 1:
        loading.join(HEAD_START_SECONDS)
        if loading.is_alive():
            house.wait(loading)
        if lifecycle.loaded().script is None:
            house.divide()
    house.serve()


@dataclass(frozen=True)
class _House:
    """What one server process works with."""

    listener: socket.socket
    settings: Settings
    lifecycle: Lifecycle
    metrics: Metrics

    def serve(self) -> NoReturn:
        """Serve alone."""
        uvicorn_server.Alone(self._config(), drain=self.settings.drain).run(sockets=[self.listener])
        _end(0)

    def wait(self, loading: threading.Thread) -> None:
        """Say 503 until the model is loaded."""
        uvicorn_server.Waiting(self._config(), loading).run(sockets=[self.listener.dup()])
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
        self.lifecycle.asked()  # the model's first prediction is not the first caller's
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
