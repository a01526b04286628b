"""Models, environments, code and data: versions under a name, most with files in blob storage."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulators.azure import schema, signature
from emulators.azure.blobs import Blobs
from emulators.azure.call import Answer, Call
from emulators.azure.cloud import CONTAINER, Cloud
from emulators.azure.errors import invalid, missing
from emulators.azure.front import BLOB_SUFFIX
from emulators.azure.kind import Kind
from emulators.azure.resource import Resource, ResourceId
from emulators.azure.workspace import Workspaces

#: Model of a version's body by the collection it is in.
MODELS = {
    "models": "ModelVersion",
    "environments": "EnvironmentVersion",
    "codes": "CodeVersion",
    "data": "DataVersionBase",
}

#: What a version must name, by collection.
REQUIRED = {"models": "modelUri", "codes": "codeUri", "data": "dataUri"}

Found = list[dict[str, Any]]


class Containers(Kind):
    """The names under which versions stand."""

    def find(self, identifier: ResourceId) -> Resource:
        """See `Kind.find`; a name stands when a version of it does."""
        versions = self.cloud.store.children(identifier, "versions")
        if not versions and self.cloud.store.get(identifier) is None:
            raise missing(identifier.path)
        numbers = [int(one.id.name) for one in versions if one.id.name.isdigit()]
        latest = versions[-1].id.name if versions else None
        following = {"latestVersion": latest, "nextVersion": str(max(numbers, default=0) + 1)}
        stands = self.cloud.store.get(identifier) or Resource(identifier, {})
        return stands.changed(isArchived=False, **following)

    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        """See `Kind.list`."""
        below = self.cloud.store.below(f"{parent.key}/{kind}")
        names = dict.fromkeys(one.id.pairs[len(parent.pairs)][1] for one in below)
        found = [self.find(parent.child(kind, name)) for name in names]
        return Answer(200, {"value": [self.view(one, call.front) for one in found]})


class Versions(Kind):
    """One collection's versions.

    Parameters
    ----------
    kind : str
        A key of `MODELS`.
    """

    def __init__(self, cloud: Cloud, workspaces: Workspaces, kind: str) -> None:
        super().__init__(cloud)
        self._workspaces = workspaces
        self._kind = kind
        self.defaults = {"flavors": {}} if kind == "models" else {}

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Answer ``PUT``; a version that stands may change its tags, not what it holds."""
        self._workspaces.need(identifier)
        body = call.json()
        schema.check(MODELS[self._kind], body)
        self._check(identifier, body["properties"])
        made = self.keep(self.draft(identifier, body))
        return Answer(201, self.view(made, call.front))

    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        """Answer the list of versions: all, the newest first, or those with a content hash."""
        self._workspaces.need(parent)
        if "hash" in call.query:
            return Answer(200, {"value": self._with_hash(parent, call)})
        found = self.cloud.store.children(parent, kind)
        if call.query.get("listViewType", "") == "ActiveOnly":
            found = [one for one in found if not one.properties.get("isArchived")]
        if "desc" in call.query.get("$orderBy", ""):
            found.sort(key=lambda one: one.created, reverse=True)
        found = found[: int(call.query.get("$top") or len(found))]
        return Answer(200, {"value": [self.view(one, call.front) for one in found]})

    def act(self, identifier: ResourceId, action: str, call: Call) -> Answer:
        """Answer ``startPendingUpload``: a fresh container, and the right to write to it."""
        if action.lower() != "startpendingupload":
            return super().act(identifier, action, call)
        container = uuid.uuid4().hex
        self.cloud.blobs.create(container)
        address = call.front.blob(container)
        scope = f"/subscriptions/{identifier.subscription}/resourceGroups/{identifier.group}"
        right = {"credentialType": "SAS", "sasUri": f"{address}?{signature.sign()}"}
        reference = {"blobUri": address, "storageAccountArmId": scope, "credential": right}
        found = {"pendingUploadId": container, "pendingUploadType": "TemporaryBlobReference"}
        return Answer(200, found | {"blobReferenceForConsumption": reference})

    def _with_hash(self, parent: ResourceId, call: Call) -> Found:
        """Find versions by content: under any name, which a client makes up anew each time."""
        collection = f"{parent.parent.key}/{self._kind}"
        found = []
        for one in self.cloud.store.below(collection):
            pairs = one.properties.get("properties") or {}
            if pairs.get("hash_sha256") == call.query["hash"]:
                found.append(self.view(one, call.front))
        return found

    def _check(self, identifier: ResourceId, properties: Mapping[str, Any]) -> None:
        required = REQUIRED.get(self._kind)
        if required and not properties.get(required):
            raise invalid(f"{identifier.type}: '{required}' is required.")
        if self._kind == "environments" and not (properties.keys() & {"image", "build"}):
            raise invalid("An environment needs an image or a build context.")
        before = self.cloud.store.get(identifier)
        if before is None:
            return
        for name in (required, "image"):
            if name and name in properties and before.properties.get(name) != properties[name]:
                text = f"Version {identifier.name} of '{identifier.parent.name}' exists"
                raise invalid(f"{text}: '{name}' cannot be changed. Use a new version.")


@dataclass(frozen=True)
class Location:
    """Where an asset's files are.

    Attributes
    ----------
    container : str
        Of the storage account.
    path : str
        A blob, or the start of several.
    """

    container: str
    path: str

    @classmethod
    def of(cls, address: str) -> Location:
        """Read a blob's URL, or ``azureml://…/datastores/<name>/paths/<path>``.

        Raises
        ------
        AzureError
            400 for an address of another form.
        """
        if address.startswith("azureml://") and "/paths/" in address:
            return cls(CONTAINER, address.partition("/paths/")[2])
        rest = address.partition("://")[2]
        host, _, path = rest.partition("/")
        if not host.endswith(BLOB_SUFFIX):
            _, _, path = path.removeprefix("_storage/").partition("/")
        container, _, name = path.partition("/")
        if not container:
            raise invalid(f"'{address}' is no address in blob storage.")
        return cls(container, name)

    def has_files(self, blobs: Blobs) -> bool:
        """Tell whether anything is there."""
        return blobs.has(self.container) and bool(blobs.list(self.container, self.path))
