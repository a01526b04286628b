"""All methods that are emulated, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.operations import Progress
from tridock.emulators.gcp.front.interface import Interface
from tridock.emulators.gcp.monitoring import monitoring
from tridock.emulators.gcp.protocol.errors import PermissionDeniedError
from tridock.emulators.gcp.protocol.names import PROJECT, Record, number
from tridock.emulators.gcp.run import revisions, services
from tridock.emulators.gcp.vertex import batch, deployments, endpoints, models, predictions

# Cloud Resource Manager: the SDK asks for a project's id when it only has the number.


def _project(_: Cloud, request: Record) -> Record:
    """``GetProject``: of the emulated project; others are as good as absent.

    Raises
    ------
    PermissionDeniedError
        If it is another project.
    """
    project = request["name"].rpartition("/")[2]
    if number(project) != number(PROJECT):
        raise PermissionDeniedError(f"The caller does not have permission on projects/{project}.")
    return {
        "name": f"projects/{number(PROJECT)}",
        "projectId": PROJECT,
        "displayName": PROJECT,
        "state": "ACTIVE",
    }


PROJECT_HANDLERS: Mapping[str, Handler] = {"Projects.GetProject": _project}


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
    **PROJECT_HANDLERS,
    **services.HANDLERS,
    **revisions.HANDLERS,
    **monitoring.HANDLERS,
}
