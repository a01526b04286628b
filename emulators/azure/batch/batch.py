"""Batch endpoints and their deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from tridock.emulators.azure.core import schema
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, conflict, invalid
from tridock.emulators.azure.http.front import Front
from tridock.emulators.azure.ml.endpoints import check_name
from tridock.emulators.azure.servers.workspace import Workspaces

#: How long the service takes, in its seconds.
CREATE_SECONDS = 20.0
DELETE_SECONDS = 10.0


class Slow(Kind):
    """Resources whose making and deleting take a while.

    Parameters
    ----------
    workspaces : Workspaces
        Where they stand.
    """

    #: Model of the request body.
    model = ""

    def __init__(self, cloud: Cloud, workspaces: Workspaces) -> None:
        super().__init__(cloud)
        self._workspaces = workspaces

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to make or change one."""
        self._workspaces.need(identifier)
        before = self.cloud.store.get(identifier)
        if before and self.cloud.operations.is_busy(identifier):
            raise conflict(f"'{identifier.name}' has an operation in progress.")
        body = call.json()
        schema.check(self.model, body)
        check_name(identifier.pairs[-1][0], identifier.name)
        self.check(identifier, body)
        state = "Updating" if before else "Creating"
        made = self.keep(self.draft(identifier, body).changed(provisioningState=state))
        operation = self.cloud.operations.start(identifier, lambda: self._finish(identifier))
        headers = operation.headers(call.front, self.cloud.operations.wait)
        return Answer(200 if before else 201, self.view(made, call.front), headers)

    def delete(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to delete one."""
        if self.cloud.store.get(identifier) is None:
            return Answer(204)
        self.cloud.store.change(identifier, provisioningState="Deleting")
        operation = self.cloud.operations.start(identifier, lambda: self._vanish(identifier))
        return self.cloud.operations.accept(operation, call)

    def check(self, identifier: ResourceId, body: Mapping[str, Any]) -> None:
        """Refuse what this type does not take."""

    def _finish(self, identifier: ResourceId) -> None:
        self.cloud.clock.sleep(CREATE_SECONDS)
        self.cloud.store.change(identifier, provisioningState="Succeeded")

    def _vanish(self, identifier: ResourceId) -> None:
        self.cloud.clock.sleep(DELETE_SECONDS)
        self.remove(identifier)


class BatchEndpoints(Slow):
    """Batch endpoints; they take Entra tokens only."""

    model = "BatchEndpoint"

    @override
    def check(self, identifier: ResourceId, body: Mapping[str, Any]) -> None:
        mode = body["properties"].get("authMode", "")
        if mode.lower() != "aadtoken":
            raise invalid(f"Batch endpoints support AADToken authentication only, not '{mode}'.")
        name = (body["properties"].get("defaults") or {}).get("deploymentName")
        if name and self.cloud.store.get(identifier.child("deployments", name)) is None:
            raise invalid(f"The endpoint has no deployment '{name}' to be the default.")

    def view(self, resource: Resource, front: Front) -> dict[str, Any]:
        """See `Kind.view`."""
        defaults = resource.properties.get("defaults") or {"deploymentName": None}
        address = f"{front.api}{resource.id.path}/jobs"
        return resource.changed(defaults=defaults, scoringUri=address).view()


class BatchDeployments(Slow):
    """Deployments of batch endpoints."""

    model = "BatchDeployment"
    defaults = {
        "miniBatchSize": 10,
        "errorThreshold": -1,
        "outputAction": "AppendRow",
        "outputFileName": "predictions.csv",
        "maxConcurrencyPerInstance": 1,
        "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
    }

    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        """See `Kind.list`."""
        self.find(parent)
        return super().list(parent, kind, call)

    @override
    def check(self, identifier: ResourceId, body: Mapping[str, Any]) -> None:
        self.find(identifier.parent)
        properties = body["properties"]
        model = (properties.get("model") or {}).get("assetId")
        code = (properties.get("codeConfiguration") or {}).get("codeId")
        if not code:
            raise invalid("A batch deployment needs a code configuration with a scoring script.")
        for asset in (model, code, properties.get("environmentId")):
            if asset and self.cloud.store.get(asset) is None:
                raise AzureError(404, "ResourceNotFound", f"The asset '{asset}' was not found.")
