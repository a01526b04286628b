"""Models, environments, code and data: versions under a name, most with files in blob storage."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from typing_extensions import override

from tridock.emulators.azure.core import schema
from tridock.emulators.azure.core.blobs import Blobs
from tridock.emulators.azure.core.cloud import CONTAINER, Cloud
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import invalid, missing
from tridock.emulators.azure.http.front import BLOB_SUFFIX
from tridock.emulators.azure.servers.workspace import Workspaces

#: Model of a version's body by the collection it is in.
MODELS = {
    "models": "ModelVersion",
    "environments": "EnvironmentVersion",
    "codes": "CodeVersion",
    "data": "DataVersionBase",
}

#: Model of a name's body by the collection it is in.
NAMES = {
    "models": "ModelContainer",
    "environments": "EnvironmentContainer",
    "codes": "CodeContainer",
    "data": "DataContainer",
}

#: What a version must name, by collection.
REQUIRED = {"models": "modelUri", "codes": "codeUri", "data": "dataUri"}

#: "CLI (v2) model YAML schema": a model's version is an integer.
NUMBER = re.compile(r"[1-9][0-9]*")

Found = list[dict[str, Any]]


class Containers(Kind):
    """The names under which versions stand, with tags of their own.

    Parameters
    ----------
    kind : str
        A key of `NAMES`.
    """

    def __init__(self, cloud: Cloud, workspaces: Workspaces, kind: str) -> None:
        super().__init__(cloud)
        self._workspaces = workspaces
        self._kind = kind

    @override
    def find(self, identifier: ResourceId) -> Resource:
        # A name exists when a version of it does.
        versions = self.cloud.store.children(identifier, "versions")
        stands = self.cloud.store.get(identifier)
        if stands is None:
            if not versions:
                raise missing(identifier.path)
            stands = Resource(identifier, {}, versions[0].created, versions[0].modified)
        numbers = [int(version.id.name) for version in versions if version.id.name.isdigit()]
        latest = {"latestVersion": versions[-1].id.name} if versions else {}
        following = {"nextVersion": str(max(numbers, default=0) + 1), **latest}
        properties = {"isArchived": False, **stands.properties, **following}
        return replace(stands, body={**stands.body, "properties": properties})

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Answer ``PUT``: what it bears beside its versions is all replaced."""
        self._workspaces.need(identifier)
        schema.check(NAMES[self._kind], call.json())
        before = self.cloud.store.get(identifier)
        self.keep(self.draft(identifier, call.json()))
        return Answer(200 if before else 201, self.view(self.find(identifier), call.front))

    @override
    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        below = self.cloud.store.below(f"{parent.key}/{kind}")
        names = dict.fromkeys(one.id.pairs[len(parent.pairs)][1] for one in below)
        return page(self, [self.find(parent.child(kind, name)) for name in names], call)


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
        """Answer ``PUT``; an existing version may change its tags, not its content."""
        self._workspaces.need(identifier)
        body = call.json()
        schema.check(MODELS[self._kind], body)
        self._check(identifier, body["properties"])
        made = self.keep(self.draft(identifier, body))
        return Answer(201, self.view(made, call.front))

    @override
    def draft(self, identifier: ResourceId, body: Mapping[str, Any]) -> Resource:
        # Properties are added to, and none of them goes.
        made = super().draft(identifier, body)
        before = self.cloud.store.get(identifier)
        if before is None:
            return made
        pairs = {**_pairs(before.properties), **_pairs(made.properties)}
        return replace(
            made, body={**made.body, "properties": {**made.properties, "properties": pairs}}
        )

    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        """Answer the list of versions, or of those with a content hash."""
        self._workspaces.need(parent)
        if "hash" in call.query:
            return Answer(200, {"value": self._with_hash(parent, call)})
        return page(self, self.cloud.store.children(parent, kind), call)

    def act(self, identifier: ResourceId, action: str, call: Call) -> Answer:
        """Answer ``startPendingUpload``: a fresh container, and the right to write to it."""
        if action.lower() != "startpendingupload":
            return super().act(identifier, action, call)
        container = uuid.uuid4().hex
        self.cloud.blobs.create(container)
        address = call.front.blob(container)
        scope = f"/subscriptions/{identifier.subscription}/resourceGroups/{identifier.group}"
        right = {"credentialType": "SAS", "sasUri": f"{address}?{self.cloud.signatures.sign()}"}
        reference = {"blobUri": address, "storageAccountArmId": scope, "credential": right}
        content = {"pendingUploadId": container, "pendingUploadType": "TemporaryBlobReference"}
        return Answer(200, content | {"blobReferenceForConsumption": reference})

    def _with_hash(self, parent: ResourceId, call: Call) -> Found:
        """Find versions by content: under any name, which a client makes up anew each time."""
        collection = f"{parent.parent.key}/{self._kind}"
        matching = []
        for one in self.cloud.store.below(collection):
            pairs = one.properties.get("properties") or {}
            if pairs.get("hash_sha256") == call.query["hash"]:
                matching.append(self.view(one, call.front))
        return matching

    def _check(self, identifier: ResourceId, properties: Mapping[str, Any]) -> None:
        required = REQUIRED.get(self._kind)
        if required and not properties.get(required):
            raise invalid(f"{identifier.type}: '{required}' is required.")
        if self._kind == "models" and not NUMBER.fullmatch(identifier.name):
            text = f"Model version '{identifier.name}' is invalid"
            raise invalid(f"{text}: it must be a positive whole number.")
        if self._kind == "environments" and not (properties.keys() & {"image", "build"}):
            raise invalid("An environment needs an image or a build context.")
        before = self.cloud.store.get(identifier)
        if before is not None:
            self._check_unchanged(before, properties)

    def _check_unchanged(self, before: Resource, properties: Mapping[str, Any]) -> None:
        path = REQUIRED.get(self._kind)
        if path and before.properties.get(path) != properties[path]:
            raise invalid("Asset paths cannot be updated.")
        what = ["image"] if properties.get("image") != before.properties.get("image") else []
        if self._kind == "models":
            sent, stands = _pairs(properties), _pairs(before.properties)
            what += [
                f"properties.{name}"
                for name in stands
                if sent.get(name, stands[name]) != stands[name]
            ]
        if what:
            text = f"Version {before.id.name} of '{before.id.parent.name}' exists"
            raise invalid(f"{text}: '{what[0]}' cannot be changed. Use a new version.")


def _pairs(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return properties.get("properties") or {}


@dataclass(frozen=True)
class Location:
    """Location of an asset's files.

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


# Lists of assets: which are shown, in what order, and page by page.

#: Records of one answer.
PAGE = 100
#: Parameter ``listViewType``: which of archived and not archived ones are shown.
VIEWS: Mapping[str, tuple[bool, ...]] = {
    "activeonly": (False,),
    "archivedonly": (True,),
    "all": (False, True),
}


def page(kind: Kind, resources: Sequence[Resource], call: Call) -> Answer:
    """Answer what a call asks for of the resources `resources`, oldest first.

    With ``$top`` that number and no more; else a page, and the address of the next.

    Raises
    ------
    AzureError
        400 for a parameter that cannot be read.
    """
    shown = _filtered(resources, call.query)
    if call.query.get("$orderBy", "").lower().split() == ["createdtime", "desc"]:
        shown = sorted(shown, key=lambda one: one.created)[::-1]
    start, top = (_number(call.query, name) for name in ("$skip", "$top"))
    end = start + (top or PAGE)
    answer: dict[str, object] = {
        "value": [kind.view(one, call.front) for one in shown[start:end]],
    }
    if end < len(shown) and not top:
        query = urlencode({**call.query, "$skip": end})
        answer["nextLink"] = f"{call.front.management}{call.path}?{query}"
    return Answer(200, answer)


def _filtered(resources: Sequence[Resource], query: Mapping[str, str]) -> list[Resource]:
    word = query.get("listViewType") or "ActiveOnly"
    if word.lower() not in VIEWS:
        raise invalid(f"'{word}' is no listViewType: ActiveOnly, ArchivedOnly or All.")
    states = VIEWS[word.lower()]
    return [
        resource
        for resource in resources
        if bool(resource.properties.get("isArchived")) in states
        and query.get("version") in (None, "", resource.id.name)
        and query.get("stage") in (None, "", resource.properties.get("stage"))
        and all(_has(resource, pairs, query.get(pairs) or "") for pairs in ("tags", "properties"))
    ]


def _has(resource: Resource, pairs: str, wanted: str) -> bool:
    """Tell whether a resource has all of ``name`` or ``name=value``, joined by commas."""
    held = resource.properties.get(pairs) or {}
    for each in filter(None, wanted.split(",")):
        name, equals, value = each.partition("=")
        if name not in held or (equals and held[name] != value):
            return False
    return True


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name) or "0"
    if not text.isdecimal():
        raise invalid(f"'{name}' must be a whole number, not '{text}'.")
    return int(text)
