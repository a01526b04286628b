"""Bundles in the workspace's storage that no app and no container group uses."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.appcontainers import ContainerAppsAPIClient
from azure.mgmt.containerinstance import ContainerInstanceManagementClient

from tridock.deploy.azure.account import ONCE, Account
from tridock.deploy.azure.apps import TAG
from tridock.deploy.azure.bundles import PREFIX, Bundles
from tridock.deploy.azure.errors import translated
from tridock.deploy.target.errors import ConflictError
from tridock.deploy.target.records import Orphan
from tridock.inference.bundle.manifest import MANIFEST

MARK, BUNDLE = "mark of use", "stored bundle"
#: Below a digest: the bundle's files, and the marks of those who use it.
FILES_OF, USED_BY = "model", "used-by"
PART = re.compile(rf"([0-9a-f]{{64}})/{FILES_OF}/.+")
USE = re.compile(rf"([0-9a-f]{{64}})/{USED_BY}/([a-z0-9-]+--[a-z0-9-]+)")


@dataclass(frozen=True)
class StoredRemains:
    """Orphans in the storage that Container Apps and Container Instances share."""

    bundles: Bundles

    def found(self) -> Iterator[Orphan]:
        """Yield marks of those who are gone, and bundles that bear no others."""
        blobs = self._blobs()  # first: a mark is written before its user is made
        users, kept = _users(self.bundles.account), set()
        for blob in blobs:
            use = USE.fullmatch(blob.name.removeprefix(PREFIX))
            if use and use[2] in users:
                kept.add(use[1])
            elif use:
                endpoint, why = use[2].partition("--")[0], "who used the bundle is gone"
                yield Orphan(MARK, f"{use[1]}/{use[2]}", endpoint, blob.last_modified, why)
        for digest, files in grouped(blobs, PREFIX).items():
            if digest not in kept:
                whole = any(file.name.endswith(f"/{FILES_OF}/{MANIFEST}") for file in files)
                half = "" if whole else ", and is half stored"
                made = min(file.last_modified for file in files)
                yield Orphan(BUNDLE, digest, "", made, f"it has no user{half}")

    def discard(self, orphan: Orphan) -> None:
        """Delete one."""
        digest, _, user = orphan.name.partition("/")
        if orphan.kind == MARK:
            _refuse_used(orphan, user in _users(self.bundles.account))
            self.bundles.remove_one(f"{PREFIX}{digest}/{USED_BY}/{user}")
        else:
            names = [blob.name.removeprefix(PREFIX) for blob in self._blobs()]
            uses = [match for match in map(USE.fullmatch, names) if match]
            _refuse_used(orphan, digest in {use[1] for use in uses})
            self.bundles.remove(f"{PREFIX}{digest}/{FILES_OF}")

    def _blobs(self) -> list[Any]:
        with self.bundles.container("blobs:list") as container:
            return list(container.list_blobs(name_starts_with=PREFIX))


def grouped(blobs: Iterable[Any], prefix: str) -> dict[str, list[Any]]:
    """Return the blobs of bundles below a prefix, by digest; others are not ours."""
    groups = defaultdict(list)
    for blob in blobs:
        if part := PART.fullmatch(blob.name.removeprefix(prefix)):
            groups[part[1]].append(blob)
    return dict(groups)


def _users(account: Account) -> set[str]:
    """Return who runs bundles, ``<endpoint>--<deployment>``: active revisions, and groups."""
    place = account.credential, account.subscription
    instances: Any = ContainerInstanceManagementClient(*place, **ONCE)
    with instances, translated("containerGroups:list"):
        groups = list(instances.container_groups.list_by_resource_group(account.group))
    client: Any = ContainerAppsAPIClient(*place, **ONCE)
    with client, translated("containerApps:list"):
        listed = list(client.container_apps.list_by_resource_group(account.group))
        apps = [one.name for one in listed if TAG in (one.tags or {})]
        revisions = [
            revision for name in apps for revision in _revisions(client, account.group, name)
        ]
    named = {
        f"{group.name}--{group.tags.get('name')}" for group in groups if TAG in (group.tags or {})
    }
    return named | {revision.name for revision in revisions if revision.properties.active}


def _revisions(client: Any, group: str, app: str) -> list[Any]:
    try:
        return list(client.container_apps_revisions.list_revisions(group, app))
    except ResourceNotFoundError:  # the app was deleted since it was listed
        return []


def _refuse_used(orphan: Orphan, used: bool) -> None:
    if used:
        raise ConflictError(f"{orphan} is used again")
