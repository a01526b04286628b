"""One emulated Google Cloud: what its parts share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from emulators.arrivals import Arrivals
from emulators.clock import Clock
from emulators.faults import Faults
from emulators.fleet import Fleet
from emulators.gcp.logs import Logs
from emulators.gcp.meter import Meter
from emulators.gcp.names import Record
from emulators.gcp.operations import Operations
from emulators.gcp.schema import Schema
from emulators.gcp.serving import Balance, Servings
from emulators.gcp.storage.objects import Store
from emulators.place import Place
from emulators.runners import runner

#: What stands behind one method, for REST and gRPC alike.
Handler: TypeAlias = Callable[["Cloud", Record], Record]

PROJECT = "tridock-local"
LOCATION = "us-central1"


@dataclass(frozen=True)
class Cloud:
    """What every part of the emulated Google Cloud works with.

    Attributes
    ----------
    place : Place
        Where it lives and how it was asked to run.
    clock : Clock
        The service's time.
    faults : Faults
        Faults that were asked for.
    fleet : Fleet
        All model servers.
    schema : Schema
        Google's types and methods.
    operations : Operations
        Long-running operations of all services.
    store : Store
        Buckets and objects.
    servings : Servings
        What answers predictions.
    arrivals : Arrivals
        When requests came, by serving.
    meter : Meter
        What was measured of predictions.
    models : dict
        Versions by number, by model name.
    endpoints, jobs, services, revisions : dict
        Resources by name.
    deploying : set of (str, str)
        Endpoints, and ids of the models that are coming up behind them.
    logs : Logs
        What the model servers wrote.
    balances : dict
        Whose turn it is, by endpoint or service.
    tables : dict
        Rows by ``project.dataset.table``.
    surroundings : dict of str to str
        Variables by which a container finds what is emulated.
    lock : threading.RLock
        Held for changes of resources; never while waiting.
    """

    place: Place
    clock: Clock
    faults: Faults
    fleet: Fleet
    schema: Schema
    operations: Operations
    store: Store
    servings: Servings
    arrivals: Arrivals
    meter: Meter
    models: dict[str, dict[str, Record]] = field(default_factory=dict)
    endpoints: dict[str, Record] = field(default_factory=dict)
    deploying: set[tuple[str, str]] = field(default_factory=set)
    jobs: dict[str, Record] = field(default_factory=dict)
    services: dict[str, Record] = field(default_factory=dict)
    revisions: dict[str, Record] = field(default_factory=dict)
    tables: dict[str, list[Record]] = field(default_factory=dict)
    logs: Logs = field(default_factory=Logs)
    balances: dict[str, Balance] = field(default_factory=dict)
    surroundings: dict[str, str] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def at(cls, place: Place) -> Cloud:
        """Make the cloud of `place`, without a server yet."""
        clock = Clock(place.speed)
        fleet, arrivals = Fleet(place.servers, runner(place)), Arrivals(clock)
        return cls(
            place,
            clock,
            Faults(),
            fleet,
            Schema.load(),
            Operations(clock),
            Store(place.folder / "storage"),
            Servings(fleet, arrivals),
            arrivals,
            Meter(clock),
        )

    def clear(self) -> None:
        """Forget every resource and end every model server."""
        with self.lock:
            for kept in (self.models, self.endpoints, self.jobs, self.services, self.revisions):
                kept.clear()
            self.tables.clear()
            self.balances.clear()
            self.servings.clear()
            self.store.clear()
            self.meter.clear()
        self.operations.clear()
        self.fleet.stop_all()
