"""Resources of Azure Resource Manager: their identifiers and where they are kept."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any


def now() -> str:
    """Return the time as Azure writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class ResourceId:
    """Path of a resource.

    Attributes
    ----------
    subscription, group : str
        As written by the client; compared without case.
    provider : str
        Namespace, e.g. ``"Microsoft.MachineLearningServices"``.
    pairs : tuple of (type, name)
        From the outermost resource to this one.
    """

    subscription: str
    group: str
    provider: str
    pairs: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The last name."""
        return self.pairs[-1][1]

    @property
    def type(self) -> str:
        """Type with its namespace, e.g. ``"Microsoft.App/containerApps"``."""
        return "/".join((self.provider, *(kind for kind, _ in self.pairs)))

    @property
    def path(self) -> str:
        """The identifier as text."""
        tail = "/".join(part for pair in self.pairs for part in pair)
        scope = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{scope}/providers/{self.provider}/{tail}"

    @property
    def key(self) -> str:
        """The identifier in lower case: Resource Manager ignores case."""
        return self.path.lower()

    @property
    def parent(self) -> ResourceId:
        """The resource this one belongs to."""
        return replace(self, pairs=self.pairs[:-1])

    def child(self, kind: str, name: str) -> ResourceId:
        """Return the identifier of a resource below this one."""
        return replace(self, pairs=(*self.pairs, (kind, name)))


@dataclass(frozen=True)
class Resource:
    """Content that a client put, with the time of its creation.

    Attributes
    ----------
    id : ResourceId
        Its path.
    body : Mapping[str, Any]
        ``location``, ``tags``, ``properties`` and all else that was put; never changed in place.
    created, modified : str
        Times as Azure writes them.
    """

    id: ResourceId
    body: Mapping[str, Any]
    created: str = field(default_factory=now)
    modified: str = field(default_factory=now)

    @property
    def properties(self) -> Mapping[str, Any]:
        """The part that the resource's own service reads."""
        properties: Mapping[str, Any] = self.body.get("properties") or {}
        return properties

    @property
    def state(self) -> str:
        """Provisioning state."""
        return str(self.properties.get("provisioningState") or "Succeeded")

    def changed(self, **properties: Any) -> Resource:
        """Return a copy with some properties replaced."""
        body = {**self.body, "properties": {**self.properties, **properties}}
        return replace(self, body=body, modified=now())

    def view(self) -> dict[str, Any]:
        """Return the resource as answered."""
        made = {
            "createdAt": self.created,
            "createdBy": "tridock",
            "createdByType": "Application",
            "lastModifiedAt": self.modified,
        }
        head = {"id": self.id.path, "name": self.id.name, "type": self.id.type}
        return {**self.body, **head, "systemData": made}


class Store:
    """All resources of the emulated Azure, by identifier."""

    def __init__(self) -> None:
        self._resources: dict[str, Resource] = {}
        self._lock = threading.RLock()
        self.changes = 0

    def get(self, identifier: ResourceId | str) -> Resource | None:
        """Return a resource, if it exists."""
        key = identifier.lower() if isinstance(identifier, str) else identifier.key
        with self._lock:
            return self._resources.get(key)

    def put(self, resource: Resource) -> Resource:
        """Keep a resource, in the place of the one before."""
        with self._lock:
            self._resources[resource.id.key] = resource
            self.changes += 1
        return resource

    def change(self, identifier: ResourceId, **properties: Any) -> Resource | None:
        """Replace some properties of a resource, unless it is gone."""
        with self._lock:
            resource = self.get(identifier)
            return self.put(resource.changed(**properties)) if resource else None

    def remove(self, identifier: ResourceId) -> None:
        """Forget a resource and everything below it."""
        with self._lock:
            for key in (identifier.key, *(below.id.key for below in self.below(identifier.key))):
                self._resources.pop(key, None)
            self.changes += 1

    def below(self, prefix: str) -> list[Resource]:
        """Return everything whose identifier starts with `prefix` and a slash."""
        start = prefix.lower() + "/"
        with self._lock:
            return [resource for key, resource in self._resources.items() if key.startswith(start)]

    def children(self, parent: ResourceId, kind: str) -> list[Resource]:
        """Return the resources of one type directly below `parent`, oldest first."""
        depth = len(parent.pairs) + 1
        prefix = f"{parent.key}/{kind}" if parent.pairs else f"{parent.key}{kind}"
        return [resource for resource in self.below(prefix) if len(resource.id.pairs) == depth]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._resources.clear()
            self.changes += 1
