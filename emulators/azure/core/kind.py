"""Behaviour of a resource of any type in Resource Manager; types that do more build on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.resource import Resource, ResourceId, now
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import missing, not_emulated
from tridock.emulators.azure.http.front import Front


class Kind:
    """Resources that are put, got, listed and deleted, and do nothing.

    Parameters
    ----------
    cloud : Cloud
        Where they are kept.
    """

    #: Properties the service adds where the client gave none.
    defaults: Mapping[str, Any] = {}

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def get(self, identifier: ResourceId, call: Call) -> Answer:
        """Answer ``GET`` of one."""
        return Answer(200, self.view(self.find(identifier), call.front))

    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        """Answer ``GET`` of a collection."""
        resources = self.cloud.store.children(parent, kind)
        return Answer(200, {"value": [self.view(resource, call.front) for resource in resources]})

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Answer ``PUT``."""
        before = self.cloud.store.get(identifier)
        made = self.keep(self.draft(identifier, call.json()))
        return Answer(200 if before else 201, self.view(made, call.front))

    def patch(self, identifier: ResourceId, call: Call) -> Answer:
        """Answer ``PATCH``: merge into the present resource, then as ``PUT``."""
        resource = self.find(identifier)
        body = merge({**resource.body, "properties": self.shown(resource)}, call.json())
        return self.put(identifier, _with(call, body))

    def delete(self, identifier: ResourceId, call: Call) -> Answer:
        """Answer ``DELETE``; what is absent is gone already."""
        if self.cloud.store.get(identifier) is None:
            return Answer(204)
        self.remove(identifier)
        return Answer(200)

    def act(self, identifier: ResourceId, action: str, call: Call) -> Answer:
        """Answer ``POST`` of an action."""
        raise not_emulated(f"{identifier.type}/{action}/action")

    def remove(self, identifier: ResourceId) -> None:
        """Forget one and what is below it; a resource group that is deleted calls this too."""
        self.cloud.store.remove(identifier)

    def shown(self, resource: Resource) -> dict[str, Any]:
        """Return the properties that clients may know."""
        return dict(resource.properties)

    def view(self, resource: Resource, front: Front) -> dict[str, Any]:
        """Return what a caller at `front` is shown."""
        return resource.view()

    def find(self, identifier: ResourceId) -> Resource:
        """Return an existing one.

        Raises
        ------
        AzureError
            404.
        """
        resource = self.cloud.store.get(identifier)
        if resource is None:
            raise missing(identifier.path)
        return resource

    def draft(self, identifier: ResourceId, body: Mapping[str, Any]) -> Resource:
        """Make the resource that a ``PUT`` asks for, with the service's defaults."""
        before = self.cloud.store.get(identifier)
        properties = {**self.defaults, **(body.get("properties") or {})}
        properties["provisioningState"] = "Succeeded"
        made = Resource(identifier, {**body, "properties": properties})
        return replace(made, created=before.created, modified=now()) if before else made

    def keep(self, resource: Resource) -> Resource:
        """Keep a resource and return it."""
        return self.cloud.store.put(resource)


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` with `new` laid over it, as RFC 7396 (JSON Merge Patch) does."""
    merged = dict(old)
    for name, value in new.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = merge(merged[name], value)
        else:
            merged[name] = value
    return merged


def _with(call: Call, body: Mapping[str, Any]) -> Call:
    return replace(call, body=json.dumps(body).encode())
