"""Model servers that answer for deployed models, and which of them a request goes to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulators.fleet import Container, Fleet, Server, UnhealthyError
from emulators.gcp.errors import FailedPreconditionError, UnavailableError


@dataclass(frozen=True)
class Serving:
    """One running model server with the routes it was told.

    Attributes
    ----------
    key : str
        Deployed model or revision it answers for.
    container : Container
        What was started.
    server : Server
        What runs.
    predict : str
        Route of predictions.
    """

    key: str
    container: Container
    server: Server
    predict: str

    @property
    def url(self) -> str:
        """Where predictions are sent."""
        return self.server.url + self.predict


class Servings:
    """The servings of one emulated cloud.

    Parameters
    ----------
    fleet : Fleet
        Where their servers run.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._running: dict[str, Serving] = {}

    def start(
        self,
        key: str,
        container: Container,
        *,
        predict: str,
        timeout: float,
        announce: Callable[[Path], None],
    ) -> Serving:
        """Start a server and return it when its health route answers 200.

        Parameters
        ----------
        timeout : float
            Real seconds to wait for its health.
        announce : callable
            Called with the file of its log, before it is healthy.

        Raises
        ------
        FailedPreconditionError
            If it ends or never answers; the message ends with its last words.
        """
        server = self._fleet.start(container, self._fleet.folder())
        announce(server.log)
        try:
            self._fleet.wait(server, container.health, timeout=timeout)
        except UnhealthyError as error:
            self._fleet.stop(server, grace=1.0)
            raise FailedPreconditionError(f"Model server {_worded(error)}") from error
        serving = Serving(key, container, server, predict)
        self._running[key] = serving
        return serving

    def get(self, key: str) -> Serving:
        """Return the serving of `key`.

        Raises
        ------
        UnavailableError
            If none runs, or its server has ended.
        """
        serving = self._running.get(key)
        if serving is None or serving.server.exit_code() is not None:
            raise UnavailableError(f"The model server of {key} is not running.")
        return serving

    def find(self, key: str) -> Serving | None:
        """Return the serving of `key`, running or ended."""
        return self._running.get(key)

    def stop(self, key: str) -> None:
        """Drain and end the serving of `key`, if there is one."""
        serving = self._running.pop(key, None)
        if serving:
            self._fleet.stop(serving.server)

    def clear(self) -> None:
        """Forget all servings; the fleet ends their servers."""
        self._running.clear()


@dataclass
class Balance:
    """Smooth weighted round robin: of any 100 requests in a row, each share is exact.

    Attributes
    ----------
    split : Mapping of str to int
        Percent by key, as it stood when the counts began.
    """

    split: Mapping[str, int]
    _owed: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> str:
        """Return the key the next request goes to."""
        with self._lock:
            for key, percent in self.split.items():
                self._owed[key] = self._owed.get(key, 0) + percent
            chosen = max(self.split, key=lambda key: self._owed[key])
            self._owed[chosen] -= sum(self.split.values())
            return chosen


def _worded(error: UnhealthyError) -> str:
    text = str(error)
    if text.startswith("exited"):
        return f"exited unexpectedly: {text}"
    return f"never became ready: {text}"
