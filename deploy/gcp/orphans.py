"""Orphans in Vertex AI and Cloud Run: resources with our marks that serve nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tridock.deploy.gcp import names
from tridock.deploy.gcp.account import TIMEOUT_SECONDS, Account
from tridock.deploy.gcp.deployments import DeployedModels
from tridock.deploy.gcp.errors import translated
from tridock.deploy.gcp.reading import Reading
from tridock.deploy.gcp.registry import Registry
from tridock.deploy.gcp.revisions import Look
from tridock.deploy.gcp.store import PREFIX, Store
from tridock.deploy.target.errors import ConflictError, NotFoundError, PermissionDeniedError
from tridock.deploy.target.records import Orphan
from tridock.inference.bundle.manifest import MANIFEST

TEMPORARY, VERSION, REVISION = "temporary endpoint", "model version", "revision"


@dataclass(frozen=True)
class VertexRemains:
    """Orphans in Vertex AI and in the bucket."""

    deployments: DeployedModels
    store: Store

    @property
    def account(self) -> Account:
        """The clients."""
        return self.deployments.account

    @property
    def registry(self) -> Registry:
        """The endpoints' own Models."""
        return self.deployments.registry

    def found(self) -> Iterator[Orphan]:
        """Yield all of it: temporary endpoints, versions, marks, bundles."""
        yield from self._temporary()
        deployed, going = self._deployed(), set()
        standing = dict(versions(self.account))
        for user, version in standing.items():
            endpoint, _, deployment = user.partition("--")
            if deployment in self._behind(endpoint) or _id(version) in deployed:
                continue
            going.add(user)
            created, why = version.version_create_time, f"{deployment} is not deployed"
            yield Orphan(VERSION, _id(version), endpoint, created, why)
        users = set(standing) - going
        yield from StoredRemains(self.store).found(lambda: users | of_revisions(self.account))

    def discard(self, orphan: Orphan) -> None:
        """Delete one."""
        if orphan.kind == TEMPORARY:
            self.deployments.remove(orphan.name)
        elif orphan.kind == VERSION:
            self._end_version(orphan)
        else:
            _discard_stored(self.store, self.account, orphan)

    def _temporary(self) -> Iterator[Orphan]:
        for each in self.deployments.listed():
            if names.ALONE in each.labels:
                name, owner = each.name.rpartition("/")[2], each.labels[names.ENDPOINT]
                deployment = each.labels[names.ALONE]
                why = f"it was made to ask {deployment} alone, and costs a machine"
                yield Orphan(TEMPORARY, name, owner, each.create_time, why)

    def _deployed(self) -> set[str]:
        """Name the versions that any endpoint runs, but for temporary ones."""
        with translated("aiplatform:ListEndpoints"):
            endpoints = list(
                self.account.endpoints.list_endpoints(
                    parent=self.account.parent, retry=None, timeout=TIMEOUT_SECONDS
                )
            )
        lasting = (endpoint for endpoint in endpoints if names.ALONE not in endpoint.labels)
        running = (model for each in lasting for model in each.deployed_models)
        return {f"{_model(one.model)}@{one.model_version_id}" for one in running}

    def _behind(self, endpoint: str) -> set[str]:
        """Name the deployments of an endpoint, those that are coming up or failed included."""
        with suppress(NotFoundError):
            reading = Reading.of(self.registry, endpoint)
            return {*reading.ids, *reading.coming}
        return set()

    def _end_version(self, orphan: Orphan) -> None:
        version = self.registry.find(orphan.endpoint, orphan.name.rpartition("@")[2])
        if version is None:
            return
        deployment = version.labels.get(names.DEPLOYMENT, "")
        _refuse_used(orphan, deployment in self._behind(orphan.endpoint))
        _refuse_used(orphan, orphan.name in self._deployed())
        self.registry.delete(orphan.endpoint, [version])


@dataclass(frozen=True)
class CloudRunRemains:
    """Orphans in Cloud Run and in the bucket."""

    account: Account
    store: Store

    def found(self) -> Iterator[Orphan]:
        """Yield all of it: revisions, marks, bundles."""
        for service in services(self.account):
            owner = service.name.rpartition("/")[2]
            for each in self._idle(owner).values():
                name, why = each.name.rpartition("/")[2], "it has no tag and no traffic"
                yield Orphan(REVISION, name, owner, each.create_time, why)
        yield from StoredRemains(self.store).found(lambda: _users(self.account))

    def discard(self, orphan: Orphan) -> None:
        """Delete one."""
        if orphan.kind == REVISION:
            self._end_revision(orphan)
        else:
            _discard_stored(self.store, self.account, orphan)

    def _idle(self, service: str) -> Mapping[str, Any]:
        """Return the revisions of ours that can go; Cloud Run keeps the latest."""
        with suppress(NotFoundError):
            look = Look.of(self.account, service)
            named = {each.revision for each in look.resource.traffic}
            latest = (look.resource.latest_ready_revision, look.resource.latest_created_revision)
            named |= {each.rpartition("/")[2] for each in latest}
            every = {
                revision.name.rpartition("/")[2]: revision for revision in self._revisions(look)
            }
            return {name: each for name, each in every.items() if name not in named}
        return {}

    def _revisions(self, look: Look) -> list[Any]:
        with translated("run:ListRevisions"):
            listed = self.account.revisions.list_revisions(
                parent=look.resource.name, retry=None, timeout=TIMEOUT_SECONDS
            )
            return [each for each in listed if each.labels.get(names.ENDPOINT) == look.name]

    def _end_revision(self, orphan: Orphan) -> None:
        with suppress(NotFoundError):
            look = Look.of(self.account, orphan.endpoint)
            there = {revision.name.rpartition("/")[2] for revision in self._revisions(look)}
            _refuse_used(orphan, orphan.name in there - set(self._idle(orphan.endpoint)))
            with translated("run:DeleteRevision"):
                self.account.revisions.delete_revision(
                    name=f"{look.resource.name}/revisions/{orphan.name}",
                    retry=None,
                    timeout=TIMEOUT_SECONDS,
                )


def _discard_stored(store: Store, account: Account, orphan: Orphan) -> None:
    if orphan.kind == MARK:
        _refuse_used(orphan, orphan.name.partition("/")[2] in _users(account))
    elif orphan.kind == BUNDLE:
        _refuse_used(orphan, orphan.name in StoredRemains(store).marked())
    StoredRemains(store).discard(orphan)


def _users(account: Account) -> set[str]:
    return set(of_versions(account)) | of_revisions(account)


def _id(version: Any) -> str:
    return f"{_model(version.name)}@{version.version_id}"


def _model(name: str) -> str:
    return str(name.rpartition("/")[2].partition("@")[0])


def _refuse_used(orphan: Orphan, used: bool) -> None:
    if used:
        raise ConflictError(f"{orphan} is used again")


# Unused bundles of a bucket, and marks of deployments that are gone.

MARK, BUNDLE = "mark of use", "stored bundle"

#: ``<digest>/model/<file>``, or ``<digest>/used-by/<user>``: all else below is not ours.
FILE = re.compile(r"([0-9a-f]{64})/model/.+")
USE = re.compile(r"([0-9a-f]{64})/used-by/([a-z0-9-]+--[a-z0-9-]+)")


@dataclass(frozen=True)
class StoredRemains:
    """Orphans in one bucket."""

    store: Store

    def found(self, users: Callable[[], set[str]]) -> Iterator[Orphan]:
        """Yield marks of those who are gone, and bundles that bear no others.

        Parameters
        ----------
        users : callable
            Returns who is there, ``<endpoint>--<deployment>``.
        """
        objects = self._objects()  # first: a mark is written before its user is made
        there, kept = users(), set()
        for name, blob in objects.items():
            use = USE.fullmatch(name)
            if use and (use[2] in there or self._is_elsewhere(blob)):
                kept.add(use[1])
            elif use:
                endpoint, why = use[2].partition("--")[0], "who used the bundle is gone"
                yield Orphan(MARK, f"{use[1]}/{use[2]}", endpoint, blob.time_created, why)
        for digest, files in self._bundles(objects).items():
            if digest not in kept:
                half = "" if f"{digest}/model/{MANIFEST}" in files else ", and is half stored"
                made = min(objects[name].time_created for name in files)
                yield Orphan(BUNDLE, digest, "", made, f"it has no user{half}")

    def marked(self) -> set[str]:
        """Return the digests of the bundles that bear marks."""
        return {use[1] for name in self._objects() if (use := USE.fullmatch(name))}

    def discard(self, one: Orphan) -> None:
        """Delete a mark, or a bundle's files: without its manifest, the rest is no bundle."""
        digest, _, user = one.name.partition("/")
        names = [f"{digest}/used-by/{user}"]
        if one.kind == BUNDLE:
            names = self._bundles(self._objects()).get(digest, [])
        for name in sorted(names, key=lambda one: (not one.endswith(f"/{MANIFEST}"), one)):
            with suppress(NotFoundError), translated("storage:Delete"):
                self.store.client.bucket(self.store.bucket).blob(PREFIX + name).delete(retry=None)

    def _objects(self) -> dict[str, Any]:
        with translated("storage:List"):
            blobs = self.store.client.list_blobs(self.store.bucket, prefix=PREFIX, retry=None)
            return {blob.name.removeprefix(PREFIX): blob for blob in blobs}

    def _bundles(self, objects: dict[str, Any]) -> dict[str, list[str]]:
        bundles = defaultdict(list)
        for name in objects:
            if file := FILE.fullmatch(name):
                bundles[file[1]].append(name)
        return dict(bundles)

    def _is_elsewhere(self, mark: Any) -> bool:
        """Tell whether a mark is of another location, which was not read."""
        with suppress(NotFoundError), translated("storage:Get"):
            location = mark.download_as_bytes(retry=None).decode(errors="replace")
            return bool(location) and location != self.store.location
        return False


# Who uses the bundles of a bucket: versions of endpoints' Models, and revisions of services.


def versions(account: Account) -> Iterator[tuple[str, Any]]:
    """Yield the users of bundles in Vertex AI, ``<endpoint>--<deployment>``, and their versions."""
    with translated("aiplatform:ListModels"):
        models = list(
            account.models.list_models(parent=account.parent, retry=None, timeout=TIMEOUT_SECONDS)
        )
    for model in models:
        endpoint = model.name.rpartition("/")[2].partition("@")[0]
        if model.labels.get(names.ENDPOINT) == endpoint:
            for version in Registry(account).versions(endpoint):
                yield f"{endpoint}--{version.labels.get(names.DEPLOYMENT, '')}", version


def of_versions(account: Account) -> set[str]:
    """Return the users of bundles in Vertex AI."""
    return {user for user, _ in versions(account)}


def of_revisions(account: Account) -> set[str]:
    """Return the users of bundles in Cloud Run; none in a project that does not use it."""
    try:
        named = [service.name.rpartition("/")[2] for service in services(account)]
    except PermissionDeniedError as error:
        if "disabled" in str(error):  # "… has not been used in project … or it is disabled"
            return set()
        raise
    looks = (Look.of(account, name) for name in named)
    return {f"{look.name}--{deployment}" for look in looks for deployment in look.revisions}


def services(account: Account) -> list[Any]:
    """Return the Cloud Run services that carry our label."""
    with translated("run:ListServices"):
        listed = account.services.list_services(
            parent=account.parent, retry=None, timeout=TIMEOUT_SECONDS
        )
        return [each for each in listed if names.ENDPOINT in each.labels]
