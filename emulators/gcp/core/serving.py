"""Model servers that answer for deployed models, and which of them a request goes to."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from tridock.emulators.clock import Arrivals
from tridock.emulators.fleet import Container, Fleet, Server, UnhealthyError
from tridock.emulators.gcp.protocol.errors import FailedPreconditionError, UnavailableError
from tridock.emulators.runners import NeverStarted


@dataclass(frozen=True)
class Plan:
    """A model server that is to run.

    Attributes
    ----------
    key : str
        Deployed model or revision it answers for.
    container : Container
        What is started.
    predict : str
        Route of predictions.
    timeout : float
        Real seconds in which it must be healthy.
    announce : callable
        Called with the file of its log, before it is healthy.
    """

    key: str
    container: Container
    predict: str
    timeout: float
    announce: Callable[[Path], None]


@dataclass(frozen=True)
class Serving:
    """One model server, running or ended.

    Attributes
    ----------
    plan : Plan
        What was to run.
    server : Server
        What runs.
    """

    plan: Plan
    server: Server

    @property
    def predict(self) -> str:
        """Route of predictions."""
        return self.plan.predict

    @property
    def url(self) -> str:
        """Server that predictions are sent to."""
        return self.server.url + self.predict


class Servings:
    """The servings of one emulated cloud.

    Parameters
    ----------
    fleet : Fleet
        Where their servers run.
    arrivals : Arrivals
        Where each request for one is counted.
    folder : callable
        Makes the folder of one server's log.
    """

    def __init__(self, fleet: Fleet, arrivals: Arrivals, folder: Callable[[], Path]) -> None:
        self._fleet = fleet
        self._folder = folder
        self._arrivals = arrivals
        self._asleep: dict[str, threading.Lock] = {}
        self._running: dict[str, Serving] = {}
        self._restarting: set[str] = set()
        self._lock = threading.Lock()

    def start(self, plan: Plan) -> Serving:
        """Start a server and return it when its health route answers 200.

        Raises
        ------
        FailedPreconditionError
            If it ends or never answers; the message ends with its last words.
        """
        server = self._fleet.start(plan.container, self._folder())
        plan.announce(server.log)
        try:
            self._fleet.wait(server, plan.container.health, timeout=plan.timeout)
        except UnhealthyError as error:
            self._fleet.stop(server, grace=1.0)
            raise FailedPreconditionError(f"Model server {_worded(error)}") from error
        serving = Serving(plan, server)
        self._running[plan.key] = serving
        return serving

    def restore(self, plan: Plan) -> None:
        """Have a server that ran before the emulator was started again: the first request waits."""
        log = self._folder() / "server.log"
        log.touch()
        plan.announce(log)
        self._running[plan.key] = Serving(plan, NeverStarted(log))
        self._asleep[plan.key] = threading.Lock()

    def wake(self, key: str) -> None:
        """Start the server of `key` if it sleeps, without a request.

        Raises
        ------
        UnavailableError
            If it does not start; the next request tries again.
        """
        asleep = self._asleep.get(key)
        if asleep is not None:
            self._wake(key, asleep)

    def get(self, key: str) -> Serving:
        """Return the serving of `key`, for a request; one that sleeps is started first.

        A server that ended by itself is started again, as the real service does with a container
        that fails its liveness checks; until it is healthy, there is none.

        Raises
        ------
        UnavailableError
            If none runs.
        """
        self._arrivals.add(key)
        self.wake(key)
        serving = self._running.get(key)
        if serving is None:
            raise UnavailableError(f"The model server of {key} is not running.")
        if serving.server.exit_code() is not None:
            self._restart(serving)
            raise UnavailableError(f"The model server of {key} ended and is being restarted.")
        return serving

    def find(self, key: str) -> Serving | None:
        """Return the serving of `key`, running or ended."""
        return self._running.get(key)

    def sleep(self, key: str) -> None:
        """Drain and end the server of `key` until its next request."""
        serving = self._running.get(key)
        if serving:
            self._asleep[key] = threading.Lock()
            self._fleet.stop(serving.server)

    def is_asleep(self, key: str) -> bool:
        """Tell whether `key` has no server because it has no requests."""
        return key in self._asleep

    def stop(self, key: str) -> None:
        """Drain and end the serving of `key`, if there is one."""
        self._arrivals.forget(key)
        self._asleep.pop(key, None)
        serving = self._running.pop(key, None)
        if serving:
            self._fleet.stop(serving.server)

    def _wake(self, key: str, asleep: threading.Lock) -> None:
        """Start the server of `key` again; all who ask meanwhile wait for the same one."""
        with asleep:
            serving = self._running.get(key)
            if serving is None or self._asleep.get(key) is not asleep:
                return
            plan = serving.plan
            server = self._fleet.start(plan.container, serving.server.log.parent)
            try:
                self._fleet.wait(server, plan.container.health, timeout=plan.timeout)
            except UnhealthyError as error:
                self._fleet.stop(server, grace=1.0)
                raise UnavailableError(f"Model server {_worded(error)}") from error
            if self._running.get(key) is not serving:
                self._fleet.stop(server)  # stopped meanwhile
                return
            self._running[key] = replace(serving, server=server)
            self._asleep.pop(key, None)

    def _restart(self, ended: Serving) -> None:
        with self._lock:
            if ended.plan.key in self._restarting:
                return
            self._restarting.add(ended.plan.key)
        threading.Thread(target=self._revive, args=(ended,), daemon=True).start()

    def _revive(self, ended: Serving) -> None:
        plan = ended.plan
        server = self._fleet.start(plan.container, ended.server.log.parent)
        try:
            self._fleet.wait(server, plan.container.health, timeout=plan.timeout)
            if self._running.get(plan.key) is ended:
                self._running[plan.key] = replace(ended, server=server)
                self._fleet.stop(ended.server)
            else:
                self._fleet.stop(server)
        except UnhealthyError:
            self._fleet.stop(server, grace=1.0)
        finally:
            self._restarting.discard(plan.key)

    def clear(self) -> None:
        """Forget all servings; the fleet ends their servers."""
        self._running.clear()
        self._asleep.clear()


@dataclass
class Balance:
    """Split of requests: of each 100 the shares are exact, and their order is random.

    A fixed order would let clients in step with each other always meet the same one.

    Attributes
    ----------
    split : Mapping of str to int
        Percent by key when the counts began.
    """

    split: Mapping[str, int]
    _coming: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> str:
        """Return the key the next request goes to."""
        with self._lock:
            if not self._coming:
                part = math.gcd(*self.split.values())
                turns = ([key] * (percent // part) for key, percent in self.split.items())
                self._coming = list(chain.from_iterable(turns))
                random.shuffle(self._coming)
            return self._coming.pop()


class Balances:
    """Splits of requests, by endpoint or service."""

    def __init__(self) -> None:
        self._balances: dict[str, Balance] = {}
        self._lock = threading.Lock()

    def of(self, name: str, split: Mapping[str, int]) -> Balance | None:
        """Return the balance of `name`, begun anew where its split has changed.

        Parameters
        ----------
        split : Mapping of str to int
            Percent by key; where nothing has a share, there is no balance.
        """
        shares = {key: share for key, share in split.items() if share}
        with self._lock:
            balance = self._balances.get(name)
            if shares and (balance is None or balance.split != shares):
                balance = self._balances[name] = Balance(shares)
            if not shares:
                self._balances.pop(name, None)
                return None
            return balance

    def clear(self) -> None:
        """Forget all."""
        self._balances.clear()


def _worded(error: UnhealthyError) -> str:
    text = str(error)
    if text.startswith("exited"):
        return f"exited unexpectedly: {text}"
    return f"never became ready: {text}"
