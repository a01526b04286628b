"""Cloud Resource Manager: the SDK asks for a project's id when it only has the number."""

from __future__ import annotations

from collections.abc import Mapping

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.protocol.errors import PermissionDeniedError
from tridock.emulators.gcp.protocol.names import PROJECT, Record, number


def get(_: Cloud, request: Record) -> Record:
    """``GetProject``: of the emulated project; others are as good as absent.

    Raises
    ------
    PermissionDeniedError
        If it is another project.
    """
    asked = request["name"].rpartition("/")[2]
    if number(asked) != number(PROJECT):
        raise PermissionDeniedError(f"The caller does not have permission on projects/{asked}.")
    return {
        "name": f"projects/{number(PROJECT)}",
        "projectId": PROJECT,
        "displayName": PROJECT,
        "state": "ACTIVE",
    }


HANDLERS: Mapping[str, Handler] = {"Projects.GetProject": get}
