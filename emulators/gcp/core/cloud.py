"""One emulated Google Cloud: what its parts share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from tridock.emulators.clock import Arrivals, Clock
from tridock.emulators.faults import Faults
from tridock.emulators.fleet import Fleet
from tridock.emulators.gcp.auth.tokens import Tokens
from tridock.emulators.gcp.core.logs import Logs
from tridock.emulators.gcp.core.meter import Meter
from tridock.emulators.gcp.core.operations import Operations
from tridock.emulators.gcp.core.samples import Tables
from tridock.emulators.gcp.core.serving import Balances, Servings
from tridock.emulators.gcp.protocol.names import Record
from tridock.emulators.gcp.protocol.schema import Schema
from tridock.emulators.gcp.state.database import Database, NotWrittenError
from tridock.emulators.gcp.state.records import State
from tridock.emulators.gcp.state.trash import remove
from tridock.emulators.gcp.storage.objects import Store
from tridock.emulators.place import Place
from tridock.emulators.runners import runner

#: Function behind one method, for REST and gRPC alike.
Handler: TypeAlias = Callable[["Cloud", Record], Record]

LOCATION = "us-central1"


@dataclass(frozen=True)
class Cloud:
    """Objects that every part of the emulated Google Cloud shares.

    Attributes
    ----------
    place : Place
        Its folder and its options.
    clock : Clock
        The service's time.
    faults : Faults
        Planned faults.
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
    database : Database
        What of all that is on disk.
    state : State
        The resources, which the properties name.
    tables : Tables
        Rows of request-response logging.
    logs : Logs
        What the model servers wrote.
    tokens : Tokens
        What clients are known by.
    balances : Balances
        Whose turn it is, by endpoint or service.
    surroundings : dict of str to str
        Variables by which a container finds what is emulated.
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
    database: Database
    state: State
    tables: Tables
    logs: Logs
    tokens: Tokens
    balances: Balances = field(default_factory=Balances)
    surroundings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, place: Place) -> Cloud:
        """Make the cloud of `place`, without a server yet."""
        clock = Clock(place.speed)
        fleet, arrivals = Fleet(place.servers, runner(place)), Arrivals(clock)
        database = Database(place.folder / "state.sqlite")
        state = State(database)
        logs = Logs(place.folder / "logs", state)
        return cls(
            place,
            clock,
            Faults(),
            fleet,
            Schema.load(),
            Operations(clock, state),
            Store(place.folder / "storage", database),
            Servings(fleet, arrivals, logs.folder),
            arrivals,
            Meter(clock, database),
            database,
            state,
            Tables(database),
            logs,
            Tokens(place.folder, place.any_credentials),
        )

    @property
    def lock(self) -> threading.RLock:
        """Return the lock to hold for changes of resources; never while waiting."""
        return self.state.lock

    @property
    def models(self) -> dict[str, dict[str, Record]]:
        """Return versions by number, by model name."""
        return self.state.models

    @property
    def endpoints(self) -> dict[str, Record]:
        """Return the endpoints by name."""
        return self.state.endpoints

    @property
    def jobs(self) -> dict[str, Record]:
        """Return batch prediction jobs by name."""
        return self.state.jobs

    @property
    def services(self) -> dict[str, Record]:
        """Return Cloud Run services by name."""
        return self.state.services

    @property
    def revisions(self) -> dict[str, Record]:
        """Return revisions by name."""
        return self.state.revisions

    def artifacts(self, version: Record) -> Path:
        """Return the folder with the copied artifacts of a model's version."""
        return self.place.folder / "artifacts" / str(version["_artifacts"])

    def flush(self) -> None:
        """Write what was measured and logged since the last time."""
        with suppress(NotWrittenError):
            self.meter.flush()
            self.tables.flush()

    def clear(self) -> None:
        """Forget every resource and end every model server."""
        with self.lock:
            self.state.clear()
            self.tables.clear()
            self.store.clear()
            self.meter.clear()
        self.servings.clear()
        self.balances.clear()
        for name in ("artifacts", "volumes", "logs"):
            remove(self.place.folder / name)
        self.fleet.forget_all(grace=0.0)
