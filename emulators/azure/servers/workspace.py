"""Machine Learning workspaces and their datastores."""

from __future__ import annotations

import uuid
from typing import Any

from typing_extensions import override

from tridock.emulators.azure.core.cloud import CONTAINER, Cloud
from tridock.emulators.azure.core.entra import TENANT
from tridock.emulators.azure.core.group import Groups
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import missing
from tridock.emulators.azure.http.front import ACCOUNT, REGION, Front

#: Datastore that every workspace has.
DATASTORE = "workspaceblobstore"


class Workspaces(Kind):
    """Workspaces; one in a group that no client made is assumed to stand.

    Parameters
    ----------
    groups : Groups
        Which groups clients made.
    """

    def __init__(self, cloud: Cloud, groups: Groups) -> None:
        super().__init__(cloud)
        self._groups = groups

    @override
    def find(self, identifier: ResourceId) -> Resource:
        resource = self.cloud.store.get(identifier)
        if resource is None and self._groups.is_assumed(identifier):
            return self.keep(self.draft(identifier, {"location": REGION}))
        if resource is None:
            raise missing(identifier.path)
        return resource

    def need(self, identifier: ResourceId) -> None:
        """Refuse what is in a workspace that does not stand."""
        workspace, pairs = identifier, identifier.pairs[:1]
        self.find(ResourceId(workspace.subscription, workspace.group, workspace.provider, pairs))

    @override
    def view(self, resource: Resource, front: Front) -> dict[str, Any]:
        identifier = resource.id
        scope = f"/subscriptions/{identifier.subscription}/resourceGroups/{identifier.group}"
        properties = {
            "workspaceId": str(uuid.uuid5(uuid.NAMESPACE_URL, identifier.key)),
            "friendlyName": identifier.name,
            "description": "",
            "discoveryUrl": f"{front.api}/discovery/workspaces/{identifier.name}",
            "mlFlowTrackingUri": f"azureml://{front.api.partition('//')[2]}/mlflow",
            "storageAccount": f"{scope}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}",
            "hbiWorkspace": False,
            "publicNetworkAccess": "Enabled",
            **resource.properties,
        }
        person = {"type": "SystemAssigned", "principalId": TENANT, "tenantId": TENANT}
        content = {"tags": {}, "sku": {"name": "Basic", "tier": "Basic"}, "identity": person}
        return {**content, **resource.view(), "properties": properties}


class Datastores(Kind):
    """The default datastore, and blob datastores that clients put."""

    def __init__(self, cloud: Cloud, workspaces: Workspaces) -> None:
        super().__init__(cloud)
        self._workspaces = workspaces

    @override
    def find(self, identifier: ResourceId) -> Resource:
        self._workspaces.need(identifier)
        resource = self.cloud.store.get(identifier)
        if resource is None and identifier.name.lower() == DATASTORE:
            return self.keep(self.draft(identifier, {"properties": _default()}))
        if resource is None:
            raise missing(identifier.path)
        return resource

    @override
    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        self.find(parent.child(kind, DATASTORE))
        views = [self.view(one, call.front) for one in self.cloud.store.children(parent, kind)]
        if call.query.get("isDefault", "").lower() == "true":
            views = [view for view in views if view["properties"].get("isDefault")]
        return Answer(200, {"value": views})

    def act(self, identifier: ResourceId, action: str, call: Call) -> Answer:
        """Answer ``listSecrets``."""
        self.find(identifier)
        if action.lower() != "listsecrets":
            return super().act(identifier, action, call)
        hours = float(call.json().get("expireAfterHours") or 1)
        return Answer(
            200, {"secretsType": "Sas", "sasToken": self.cloud.signatures.sign(hours=hours)}
        )

    @override
    def view(self, resource: Resource, front: Front) -> dict[str, Any]:
        shown = resource.changed(accountName=front.account)
        return (shown if resource.properties.get("accountName") == ACCOUNT else resource).view()


class StorageAccounts(Kind):
    """Storage accounts: the one behind the workspaces, and others, which hold nothing."""

    def act(self, identifier: ResourceId, action: str, call: Call) -> Answer:
        """Answer ``listKeys`` of the account that has blobs."""
        if identifier.name != ACCOUNT or action.lower() != "listkeys":
            return super().act(identifier, action, call)
        key = {"keyName": "key1", "value": self.cloud.signatures.key, "permissions": "FULL"}
        return Answer(200, {"keys": [key]})


def _default() -> dict[str, Any]:
    return {
        "datastoreType": "AzureBlob",
        "accountName": ACCOUNT,
        "containerName": CONTAINER,
        "endpoint": "core.windows.net",
        "protocol": "https",
        "isDefault": True,
        "credentials": {"credentialsType": "AccountKey"},
    }
