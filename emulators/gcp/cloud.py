"""One emulated Google Cloud: what its parts share."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from emulators.clock import Clock
from emulators.faults import Faults
from emulators.fleet import RUNNERS, Fleet
from emulators.gcp.operations import Operations
from emulators.gcp.schema import Schema
from emulators.gcp.serving import Balance, Servings
from emulators.gcp.storage.objects import Store
from emulators.place import Place

#: A resource, request or answer as JSON (proto3 JSON mapping, lowerCamelCase).
Record: TypeAlias = dict[str, Any]

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
    models : dict
        Versions by number, by model name.
    endpoints, jobs, services, revisions : dict
        Resources by name.
    balances : dict
        Whose turn it is, by endpoint or service.
    tables : dict
        Rows by ``project.dataset.table``.
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
    models: dict[str, dict[str, Record]] = field(default_factory=dict)
    endpoints: dict[str, Record] = field(default_factory=dict)
    jobs: dict[str, Record] = field(default_factory=dict)
    services: dict[str, Record] = field(default_factory=dict)
    revisions: dict[str, Record] = field(default_factory=dict)
    tables: dict[str, list[Record]] = field(default_factory=dict)
    balances: dict[str, Balance] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def at(cls, place: Place) -> Cloud:
        """Make the cloud of `place`, without a server yet."""
        clock = Clock(place.speed)
        fleet = Fleet(place.servers, RUNNERS[place.runner]())
        return cls(
            place,
            clock,
            Faults(),
            fleet,
            Schema.load(),
            Operations(clock),
            Store(place.folder / "storage"),
            Servings(fleet),
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
        self.operations.clear()
        self.fleet.stop_all()


def now() -> str:
    """Return the time as a JSON timestamp."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_id() -> str:
    """Return an id as the real service makes them: 19 digits."""
    return str(secrets.randbelow(9 * 10**18) + 10**18)


def number(project: str) -> str:
    """Return a project's number: the real service's names carry it, whatever the caller wrote."""
    if project.isdecimal():
        return project
    digest = hashlib.sha256(project.encode()).digest()
    return str(int.from_bytes(digest[:8], "big") % (9 * 10**11) + 10**11)


def canonical(name: str) -> str:
    """Return a resource name with its project's number in place of its id."""
    parts = name.split("/")
    if len(parts) > 1 and parts[0] == "projects":
        parts[1] = number(parts[1])
    return "/".join(parts)


def location_of(name: str) -> str:
    """Return ``projects/P/locations/L`` of a resource name."""
    return "/".join(name.split("/")[:4])


def touch(record: Record) -> Record:
    """Set the update time and the etag of a changed resource, and return it."""
    record["updateTime"] = now()
    record["etag"] = etag({k: v for k, v in record.items() if k != "etag"})
    return record


def etag(record: Mapping[str, Any]) -> str:
    """Return an opaque tag of a resource's content."""
    return "AMEw9y" + hashlib.sha256(repr(record).encode()).hexdigest()[:32]
