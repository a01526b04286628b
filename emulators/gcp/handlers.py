"""All methods that are emulated, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tridock.emulators.gcp import (
    batch,
    deployments,
    endpoints,
    models,
    monitoring,
    predictions,
    projects,
    revisions,
    services,
)
from tridock.emulators.gcp.cloud import Cloud, Handler
from tridock.emulators.gcp.interface import Interface
from tridock.emulators.gcp.names import Record
from tridock.emulators.gcp.operations import Progress

WORKS: Mapping[str, Callable[[Cloud, Progress, Record], None]] = {
    **models.WORKS,
    **endpoints.WORKS,
    **deployments.WORKS,
    **services.WORKS,
}


def interface(cloud: Cloud) -> Interface:
    """Return the interface of a cloud, whose operations can do all of `WORKS`."""
    cloud.operations.works.update({name: partial(work, cloud) for name, work in WORKS.items()})
    return Interface(cloud, HANDLERS)


HANDLERS: Mapping[str, Handler] = {
    **models.HANDLERS,
    **endpoints.HANDLERS,
    **deployments.HANDLERS,
    **batch.HANDLERS,
    **predictions.HANDLERS,
    **projects.HANDLERS,
    **services.HANDLERS,
    **revisions.HANDLERS,
    **monitoring.HANDLERS,
}
