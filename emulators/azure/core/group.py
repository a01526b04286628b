"""Resource groups: assumed to stand, until a client makes or deletes one itself.

A program that deploys a model finds its group and workspace at Azure: they were made
before. So it is here, under any names. A group that a client puts is held to the letter:
in it only what was made exists, and what was deleted is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import ResourceId
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.http.front import REGION


class Groups:
    """The resource groups of all subscriptions.

    Parameters
    ----------
    cloud : Cloud
        The resources in them.
    kinds : Mapping of str to Kind
        Types by their full name in lower case: deleting a group deletes through them.
    """

    def __init__(self, cloud: Cloud, kinds: Mapping[str, Kind]) -> None:
        self._cloud = cloud
        self._kinds = kinds
        self._made: dict[str, dict[str, Any]] = {}
        self._gone: set[str] = set()
        self.changes = 0
        self._lock = threading.Lock()

    def answer(self, call: Call, subscription: str, group: str | None) -> Answer:
        """Answer a request for one group, or for all when `group` is None."""
        if group is None:
            with self._lock:
                return Answer(200, {"value": list(self._made.values())})
        if call.method == "PUT":
            return self._put(call, subscription, group)
        if call.method == "DELETE":
            return self._delete(call, subscription, group)
        self.need(subscription, group)
        if call.method == "HEAD":
            return Answer(204)
        assumed = _view(subscription, group, {"location": REGION})
        return Answer(200, self._made.get(_path(subscription, group).lower(), assumed))

    def need(self, subscription: str, group: str) -> None:
        """Refuse a request in a group that was deleted.

        Raises
        ------
        AzureError
            404.
        """
        with self._lock:
            if _path(subscription, group).lower() in self._gone:
                message = f"Resource group '{group}' could not be found."
                raise AzureError(404, "ResourceGroupNotFound", message)

    def is_assumed(self, identifier: ResourceId) -> bool:
        """Tell whether no client made the group of a resource."""
        key = _path(identifier.subscription, identifier.group).lower()
        with self._lock:
            return key not in self._made

    def resources(self, call: Call, subscription: str, group: str) -> Answer:
        """Answer the list of everything in a group."""
        resources = self._cloud.store.below(_path(subscription, group))
        top = [resource for resource in resources if len(resource.id.pairs) == 1]
        return Answer(200, {"value": [one.view() for one in top]})

    def state(self) -> dict[str, Any]:
        """Describe what clients made and deleted, in what JSON can hold."""
        with self._lock:
            return {"made": dict(self._made), "gone": sorted(self._gone)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` described."""
        with self._lock:
            self._made.update(state["made"])
            self._gone.update(state["gone"])

    def clear(self) -> None:
        """Assume again that every group exists."""
        with self._lock:
            self.changes += 1
            self._made.clear()
            self._gone.clear()

    def _put(self, call: Call, subscription: str, group: str) -> Answer:
        body = call.json()
        if not body.get("location"):
            raise AzureError(400, "LocationRequired", "The location property is required.")
        key = _path(subscription, group).lower()
        with self._lock:
            status = 200 if key in self._made else 201
            self._made[key] = _view(subscription, group, body)
            self._gone.discard(key)
            self.changes += 1
            return Answer(status, self._made[key])

    def _delete(self, call: Call, subscription: str, group: str) -> Answer:
        path = _path(subscription, group)
        with self._lock:
            self._made.pop(path.lower(), None)
            self._gone.add(path.lower())
            self.changes += 1
        identifier = ResourceId(subscription, group, "Microsoft.Resources", (("groups", group),))
        operation = self._cloud.operations.start(identifier, lambda: self._empty(path))
        return self._cloud.operations.accept(operation, call)

    def _empty(self, path: str) -> None:
        deepest_first = sorted(self._cloud.store.below(path), key=lambda one: -len(one.id.pairs))
        for resource in deepest_first:
            self._kinds[resource.id.type.lower()].remove(resource.id)


def _path(subscription: str, group: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def _view(subscription: str, group: str, body: Mapping[str, Any]) -> dict[str, Any]:
    head = {"id": _path(subscription, group), "name": group}
    tail = {"type": "Microsoft.Resources/resourceGroups"}
    return {**head, **tail, **body, "properties": {"provisioningState": "Succeeded"}}
