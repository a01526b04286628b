"""Everything one emulated Azure is made of, in one record."""

from __future__ import annotations

from dataclasses import dataclass, field

from tridock.emulators.azure.core.blobs import Blobs
from tridock.emulators.azure.core.credentials import Credentials
from tridock.emulators.azure.core.entra import Entra
from tridock.emulators.azure.core.measurements import Measurements
from tridock.emulators.azure.core.operation import Operations
from tridock.emulators.azure.core.pool import Pools
from tridock.emulators.azure.core.resource import Store
from tridock.emulators.azure.core.signature import Signatures
from tridock.emulators.clock import Arrivals, Clock
from tridock.emulators.faults import Faults
from tridock.emulators.fleet import Fleet
from tridock.emulators.place import Place
from tridock.emulators.runners import runner

#: Container of the workspaces' default datastore.
CONTAINER = "azureml-blobstore-1"


@dataclass(frozen=True)
class Cloud:
    """The parts that answers are made from.

    Attributes
    ----------
    place : Place
        Folder and settings.
    clock : Clock
        The service's time.
    store : Store
        Resources.
    operations : Operations
        Work under way.
    entra : Entra
        Tokens.
    signatures : Signatures
        Of the storage account.
    blobs : Blobs
        The storage account.
    fleet : Fleet
        Model servers.
    pools : Pools
        Which model servers answer for which deployment.
    arrivals : Arrivals
        When requests came, by deployment or revision.
    measurements : Measurements
        How many were answered, how and in what time, by minute.
    faults : Faults
        What goes wrong on request.
    surroundings : dict of str to str
        Variables that lead containers which call Azure by themselves back here; known once the
        ports are.
    """

    place: Place
    clock: Clock
    store: Store
    operations: Operations
    entra: Entra
    signatures: Signatures
    blobs: Blobs
    fleet: Fleet
    pools: Pools
    arrivals: Arrivals
    measurements: Measurements
    faults: Faults = field(default_factory=Faults)
    surroundings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, place: Place) -> Cloud:
        """Make an empty cloud whose state is kept at `place`."""
        clock, credentials = Clock(place.speed), Credentials.at(place)
        cloud = cls(
            place=place,
            clock=clock,
            store=Store(),
            operations=Operations(clock),
            entra=Entra(credentials),
            signatures=Signatures(credentials.account_key, credentials.accepts_any),
            blobs=Blobs(place.folder / "blobs"),
            fleet=Fleet(place.servers, runner(place)),
            pools=Pools(),
            arrivals=Arrivals(clock),
            measurements=Measurements(clock, place.folder / "metrics.jsonl"),
        )
        cloud.blobs.create(CONTAINER)
        return cloud

    def reset(self) -> None:
        """Forget everything; the model servers end behind the answer."""
        self.store.clear()
        self.operations.clear()
        self.pools.clear()
        self.measurements.clear()
        self.faults.plan(())
        self.fleet.forget_all()
        self.blobs.clear()
        self.blobs.create(CONTAINER)
