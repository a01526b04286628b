"""The verbs of `tridock.deploy.target.protocol.Target` as Container Instances calls.

Endpoint = container group, which is its only deployment, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from azure.mgmt.containerinstance import ContainerInstanceManagementClient

from tridock.deploy.azure import groups
from tridock.deploy.azure.account import ONCE, Account
from tridock.deploy.azure.apps import TAG
from tridock.deploy.azure.asking import ask
from tridock.deploy.azure.blobs import StoredRemains
from tridock.deploy.azure.bundles import Bundles
from tridock.deploy.azure.errors import translated
from tridock.deploy.azure.models import AzureModels
from tridock.deploy.azure.notes import BlobNotes
from tridock.deploy.azure.snippets import plain_calls
from tridock.deploy.target.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    UnsupportedError,
    before_sending,
)
from tridock.deploy.target.leftovers import Leftover
from tridock.deploy.target.metrics import Answer, Metrics
from tridock.deploy.target.protocol import Endpoint, Release, Scaling
from tridock.inference.bundle.bundle import Bundle

LIMITS = {
    "deployments": "a container group has one address and one container, so an endpoint has one "
    "deployment: release the next version under another endpoint name, move the clients, and "
    'delete the old one; or let service = "container-apps" split the traffic',
    "traffic": "Container Instances has no traffic split: the one deployment has all of it",
    "shadow": "Container Instances has no mirrored traffic",
    "count": "a container group is one instance",
    "scaling": "a container group is one instance, and Container Instances adds none; let "
    'service = "container-apps" scale',
    "access": "an address asks for no key and has no TLS: put a gateway before it, or keep it to "
    "tests",
    "instance": "a machine size is taken as its CPUs, at most 4, with 2 GiB of memory each",
    "metrics": "Container Instances measures a group's CPUs, memory and network, not its requests",
    "logs": "Container Instances keeps no logs of a group that is deleted",
}
ROUTE = "/predict"

#: Seconds that a model server may take to say whether it is ready.
HEALTH_TIMEOUT = 5.0


@dataclass(frozen=True)
class InstancesTarget:
    """Container groups of one resource group, their bundles in the workspace's storage."""

    account: Account
    bundles: Bundles
    client: Any
    name: str = "azure"

    @classmethod
    def connect(cls, settings: Mapping[str, str]) -> InstancesTarget:
        """Return the target that `settings` describe; nothing is called yet."""
        account = Account.open(settings)
        told = account.credential, account.subscription
        client = ContainerInstanceManagementClient(*told, **ONCE)
        return cls(account, Bundles(account), client)

    @property
    def limits(self) -> Mapping[str, str]:
        """See `Target.limits`."""
        return LIMITS

    @property
    def notes(self) -> BlobNotes:
        """See `Target.notes`."""
        return BlobNotes(self.bundles)

    @property
    def models(self) -> AzureModels:
        """See `Target.models`: Azure ML's registry."""
        return AzureModels(self.account)

    def identity(self) -> str:
        """See `Target.identity`."""
        return f"Container Instances, {self.account.identity()}"

    def caller(self) -> str:
        """See `Target.caller`."""
        return self.account.caller()

    def endpoints(self) -> Sequence[str]:
        """See `Target.endpoints`."""
        with translated("containerGroups:list"):
            found = list(self._groups.list_by_resource_group(self.account.group))
        return tuple(sorted(one.name for one in found if TAG in (one.tags or {})))

    def upload(self, bundle: Bundle) -> str:
        """See `Target.upload`."""
        return self.bundles.upload(bundle)

    def deploy(self, release: Release) -> None:
        """See `Target.deploy`, and `limits`: a second deployment is refused."""
        if release.count != 1:
            raise ConfigError(f"azure.count is {release.count}: {LIMITS['count']}")
        found = self._find(release.endpoint)
        if found is not None:
            _refuse_other(found, release)
            return
        self.bundles.mark(release.digest, f"{release.endpoint}--{release.name}")
        wanted = groups.group(self.account, release, self._location())
        with translated("containerGroups:createOrUpdate"):
            self._groups.begin_create_or_update(
                self.account.group, release.endpoint, wanted, polling=False
            )

    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        """See `Target.scale`, and `limits`."""
        if scaling:
            raise ConfigError(f"[scaling] of {endpoint}/{deployment}: {LIMITS['scaling']}")

    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        """See `Target.resize`, and `limits`."""
        if count != 1:
            raise ConfigError(f"{count} instances of {endpoint}/{deployment}: {LIMITS['count']}")

    def describe(self, endpoint: str) -> Endpoint:
        """See `Target.describe`. The service does not say whether a container is ready."""
        found = self._need(endpoint)
        ready = groups.runs(found) and self._is_ready(groups.url(found))
        return groups.endpoint_record(found, ready=ready)

    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        """See `Target.set_traffic`, and `limits`: there is one division."""
        absent = sorted(set(traffic) - set(self.describe(endpoint).deployments))
        if absent:
            raise NotFoundError(f"{endpoint} has no deployment {', '.join(absent)}")

    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        """See `Target.invoke`."""
        with before_sending():
            found = self._need(endpoint)
        if deployment not in (None, (found.tags or {}).get("name")):
            raise NotFoundError(f"{endpoint} has no deployment {deployment}")
        url = groups.url(found) + ROUTE
        return ask(self.account.http, url, body, operation="containerGroups:invoke")

    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        """See `Target.shadow`, and `limits`."""
        raise UnsupportedError(f"no copies of requests for {endpoint}: {LIMITS['shadow']}")

    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics | None:
        """See `Target.metrics`."""
        return None

    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        """See `Target.answers`, and `limits`."""
        return ()

    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        """See `Target.logs`."""
        found = self._find(endpoint)
        if found is None or (found.tags or {}).get("name") != deployment:
            return ()
        with suppress(NotFoundError), translated("containers:listLogs"):
            place = self.account.group, endpoint, groups.CONTAINER
            told = self.client.containers.list_logs(*place, tail=lines).content or ""
            return tuple(told.splitlines()[-lines:])
        return ()

    def undeploy(self, endpoint: str, deployment: str) -> None:
        """See `Target.undeploy`: what stands has all traffic."""
        found = self._find(endpoint)
        if found is not None and (found.tags or {}).get("name") == deployment:
            raise ConflictError(f"{endpoint}/{deployment} has all traffic: delete the endpoint")

    def delete(self, endpoint: str) -> None:
        """See `Target.delete`."""
        found = self._find(endpoint)
        if found is not None and str(found.provisioning_state) != "Deleting":
            with suppress(NotFoundError), translated("containerGroups:delete"):
                self._groups.begin_delete(self.account.group, endpoint, polling=False)

    def purge(self, endpoint: str) -> None:
        """See `Target.purge`."""
        found = self._find(endpoint)
        used = {f"{endpoint}--{found.tags.get('name')}"} if found is not None else set()
        self.bundles.release(f"{endpoint}--", used)

    def leftovers(self) -> Sequence[Leftover]:
        """See `Target.leftovers`."""
        return tuple(StoredRemains(self.bundles).found())

    def discard(self, leftover: Leftover) -> None:
        """See `Target.discard`."""
        StoredRemains(self.bundles).discard(leftover)

    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        """See `Target.snippets`."""
        return plain_calls(groups.url(self._need(endpoint)) + ROUTE, body)

    @property
    def _groups(self) -> Any:
        return self.client.container_groups

    def _find(self, endpoint: str) -> Any:
        with suppress(NotFoundError):
            return self._need(endpoint)
        return None

    def _need(self, endpoint: str) -> Any:
        with translated("containerGroups:get"):
            return self._groups.get(self.account.group, endpoint)

    def _location(self) -> str:
        with translated("workspaces:get"):
            return str(self.account.client.workspaces.get(self.account.workspace).location)

    def _is_ready(self, url: str) -> bool:
        try:
            return self.account.http.get(f"{url}/readyz", timeout=HEALTH_TIMEOUT).is_success
        except httpx.TransportError:
            return False


def _refuse_other(found: Any, release: Release) -> None:
    tags = found.tags or {}
    if tags.get("name") != release.name:
        raise ConflictError(f"{release.endpoint} runs {tags.get('name')}: {LIMITS['deployments']}")
    other = [name for name, value in groups.marks(release).items() if tags.get(name) != value]
    if other:
        raise ConflictError(
            f"{release.endpoint}/{release.name} runs with another {', '.join(other)}: delete it "
            "first"
        )
