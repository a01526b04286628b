"""All methods that are emulated, by name."""

from __future__ import annotations

from collections.abc import Mapping

from emulators.gcp import (
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
from emulators.gcp.cloud import Handler

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
