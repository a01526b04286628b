"""Managed environments of Container Apps: the domain that apps stand in.

Source: Azure Container Apps REST API, "Managed Environments".
"""

from __future__ import annotations

import uuid

from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, conflict, invalid
from tridock.emulators.azure.http.front import APPS_SUFFIX, REGION

#: How long the service takes to make one, in its seconds.
CREATE_SECONDS = 60.0
APPS = "/microsoft.app/containerapps/"


class ManagedEnvironments(Kind):
    """Environments of all groups."""

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to make or change one."""
        body = call.json()
        if not body.get("location"):
            raise AzureError(400, "LocationRequired", "The location property is required.")
        before = self.cloud.store.get(identifier)
        mark = uuid.uuid5(uuid.NAMESPACE_URL, identifier.key).hex[:8]
        domain = f"{identifier.name.lower()}-{mark}.{REGION}{APPS_SUFFIX}"
        state = "Succeeded" if before else "InProgress"
        made = self.keep(
            self.draft(identifier, body).changed(defaultDomain=domain, provisioningState=state)
        )
        operation = self.cloud.operations.start(identifier, lambda: self._settle(identifier))
        headers = operation.headers(call.front, self.cloud.operations.wait)
        return Answer(200 if before else 201, self.view(made, call.front), headers)

    def delete(self, identifier: ResourceId, call: Call) -> Answer:
        """Delete one that holds no app."""
        standing = self.cloud.store.below("/subscriptions")
        if any(APPS in one.id.key and _environment(one) == identifier.key for one in standing):
            raise conflict(f"Environment '{identifier.name}' has container apps: delete them first")
        return super().delete(identifier, call)

    def domain(self, path: str) -> str:
        """Return the domain of an existing environment.

        Raises
        ------
        AzureError
            400 for an id that is none, or of one that does not stand.
        """
        environment = self.cloud.store.get(path) if path else None
        if environment is None or "/managedenvironments/" not in environment.id.key:
            raise invalid(
                f"The environment '{path}' does not exist: managedEnvironmentId is its id"
            )
        if environment.state != "Succeeded":
            raise conflict(
                f"The environment '{environment.id.name}' is in state {environment.state}: wait"
            )
        return str(environment.properties["defaultDomain"])

    def _settle(self, identifier: ResourceId) -> None:
        self.cloud.clock.sleep(CREATE_SECONDS)
        self.cloud.store.change(identifier, provisioningState="Succeeded")


def _environment(app: Resource) -> str:
    return str(app.properties.get("managedEnvironmentId") or "").lower()
