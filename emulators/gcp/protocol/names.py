"""Names, ids, times and tags of resources, as Google's services write them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

#: A resource, request or answer as JSON (proto3 JSON mapping, lowerCamelCase).
Record: TypeAlias = dict[str, Any]

#: The one project that the credentials are for.
PROJECT = "tridock-local"


def now() -> str:
    """Return the time as a JSON timestamp."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_id() -> str:
    """Return an id as the real service makes them: 19 digits."""
    return str(secrets.randbelow(9 * 10**18) + 10**18)


def number(project: str) -> str:
    """Return a project's number: the real service's names always carry it."""
    if project.isdecimal():
        return project
    digest = hashlib.sha256(project.encode()).digest()
    return str(int.from_bytes(digest[:8], "big") % (9 * 10**11) + 10**11)


def canonical(name: str) -> str:
    """Return a resource name with its project's number in place of its id."""
    parts = name.split("/")
    if len(parts) > 1 and parts[0] == "projects":
        parts[1] = number(parts[1])
    return "/".join(parts)


def location_of(name: str) -> str:
    """Return ``projects/P/locations/L`` of a resource name."""
    return "/".join(name.split("/")[:4])


def touch(record: Record) -> Record:
    """Set the update time and the etag of a changed resource, and return it."""
    record["updateTime"] = now()
    record["etag"] = etag({k: v for k, v in record.items() if k != "etag"})
    return record


def etag(record: Mapping[str, Any]) -> str:
    """Return an opaque tag of a resource's content."""
    return "AMEw9y" + hashlib.sha256(repr(record).encode()).hexdigest()[:32]
