"""The verbs of `tridock.deploy.target.protocol.Target` as Container Instances calls.

Endpoint = container group, which is its only deployment, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from typing_extensions import override

from tridock.deploy.azure.account import ONCE, Account
from tridock.deploy.azure.apps import MEMORY, PORT, TAG, cpus, identity
from tridock.deploy.azure.bundles import Bundles
from tridock.deploy.azure.containers_target import ContainersTarget
from tridock.deploy.azure.errors import translated
from tridock.deploy.azure.snippets import plain_calls
from tridock.deploy.target.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    before_sending,
)
from tridock.deploy.target.metrics import Metrics
from tridock.deploy.target.records import Deployment, Endpoint, Release, Scaling, State

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
class InstancesTarget(ContainersTarget):
    """Container groups of one resource group, their bundles in the workspace's storage."""

    limits: ClassVar[Mapping[str, str]] = LIMITS

    @classmethod
    def connect(cls, settings: Mapping[str, str]) -> InstancesTarget:
        """Return the target that `settings` describe; nothing is called yet."""
        account = Account.open(settings)
        client = ContainerInstanceManagementClient(account.credential, account.subscription, **ONCE)
        return cls(account, Bundles(account), client)

    @override
    def identity(self) -> str:
        return f"Container Instances, {self.account.identity()}"

    @override
    def endpoints(self) -> Sequence[str]:
        with translated("containerGroups:list"):
            listed = list(self._groups.list_by_resource_group(self.account.group))
        return tuple(sorted(one.name for one in listed if TAG in (one.tags or {})))

    @override
    def deploy(self, release: Release) -> None:
        """And `limits`: a second deployment is refused."""
        if release.count != 1:
            raise ConfigError(f"azure.count is {release.count}: {LIMITS['count']}")
        standing = self._find(release.endpoint)
        if standing is not None:
            _refuse_other(standing, release)
            return
        self.bundles.mark(release.digest, f"{release.endpoint}--{release.name}")
        wanted = group(self.account, release, self._location())
        with translated("containerGroups:createOrUpdate"):
            self._groups.begin_create_or_update(
                self.account.group, release.endpoint, wanted, polling=False
            )

    @override
    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        """And `limits`."""
        if scaling:
            raise ConfigError(f"[scaling] of {endpoint}/{deployment}: {LIMITS['scaling']}")

    @override
    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        """And `limits`."""
        if count != 1:
            raise ConfigError(f"{count} instances of {endpoint}/{deployment}: {LIMITS['count']}")

    @override
    def describe(self, endpoint: str) -> Endpoint:
        # The service does not say whether a container is ready.
        described = self._need(endpoint)
        ready = runs(described) and self._is_ready(group_url(described))
        return endpoint_record(described, ready=ready)

    @override
    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        """And `limits`: there is one division."""
        absent = sorted(set(traffic) - set(self.describe(endpoint).deployments))
        if absent:
            raise NotFoundError(f"{endpoint} has no deployment {', '.join(absent)}")

    @override
    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        with before_sending():
            described = self._need(endpoint)
        if deployment not in (None, (described.tags or {}).get("name")):
            raise NotFoundError(f"{endpoint} has no deployment {deployment}")
        url = group_url(described) + ROUTE
        return self._ask(url, body, operation="containerGroups:invoke")

    @override
    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics | None:
        return None

    @override
    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        standing = self._find(endpoint)
        if standing is None or (standing.tags or {}).get("name") != deployment:
            return ()
        with suppress(NotFoundError), translated("containers:listLogs"):
            place = self.account.group, endpoint, CONTAINER
            content = self.client.containers.list_logs(*place, tail=lines).content or ""
            return tuple(content.splitlines()[-lines:])
        return ()

    @override
    def undeploy(self, endpoint: str, deployment: str) -> None:
        # The one deployment has all traffic.
        standing = self._find(endpoint)
        if standing is not None and (standing.tags or {}).get("name") == deployment:
            raise ConflictError(f"{endpoint}/{deployment} has all traffic: delete the endpoint")

    @override
    def delete(self, endpoint: str) -> None:
        standing = self._find(endpoint)
        if standing is not None and str(standing.provisioning_state) != "Deleting":
            with suppress(NotFoundError), translated("containerGroups:delete"):
                self._groups.begin_delete(self.account.group, endpoint, polling=False)

    @override
    def purge(self, endpoint: str) -> None:
        standing = self._find(endpoint)
        used = {f"{endpoint}--{standing.tags.get('name')}"} if standing is not None else set()
        self.bundles.release(f"{endpoint}--", used)

    @override
    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        return plain_calls(group_url(self._need(endpoint)) + ROUTE, body)

    @property
    def _groups(self) -> Any:
        return self.client.container_groups

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


def _refuse_other(standing: Any, release: Release) -> None:
    tags = standing.tags or {}
    if tags.get("name") != release.name:
        raise ConflictError(f"{release.endpoint} runs {tags.get('name')}: {LIMITS['deployments']}")
    other = [name for name, value in marks(release).items() if tags.get(name) != value]
    if other:
        raise ConflictError(
            f"{release.endpoint}/{release.name} runs with another {', '.join(other)}: delete it "
            "first"
        )


# Our records and container groups of Container Instances, one into the other.

#: Facts of a release that the tags of its group hold.
KEPT = ("name", "bundle", "version", "digest", "image", "instance", "artifact")
CONTAINER = "model"


def marks(release: Release) -> dict[str, str]:
    """Return what the cloud keeps of a release: the same marks are the same release."""
    return {TAG: "1", **{name: str(getattr(release, name)) for name in KEPT}}


def group(account: Account, release: Release, location: str) -> dict[str, Any]:
    """Return the container group that runs a release."""
    cpu = cpus(release.instance)
    variables = {"PORT": str(PORT), "TRIDOCK_BUNDLE_URI": release.artifact, **release.variables}
    variables |= {"TRIDOCK_IDENTITY_ID": account.server} if account.server else {}
    probe = {"httpGet": {"path": "/readyz", "port": PORT, "scheme": "http"}}
    container = {
        "image": release.image,
        "ports": [{"port": PORT, "protocol": "TCP"}],
        "environmentVariables": [
            {"name": name, "value": variable} for name, variable in variables.items()
        ],
        "resources": {"requests": {"cpu": cpu, "memoryInGB": cpu * MEMORY}},
        "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 48},
    }
    address = {
        "type": "Public",
        "ports": [{"port": PORT, "protocol": "TCP"}],
        "dnsNameLabel": release.endpoint,
        # Once the group is gone, no other account can take the name over.
        "autoGeneratedDomainNameLabelScope": "ResourceGroupReuse",
    }
    properties: dict[str, Any] = {
        "containers": [{"name": CONTAINER, "properties": container}],
        "osType": "Linux",
        "restartPolicy": "Always",
        "ipAddress": address,
    }
    if account.server and ".azurecr." in release.image:
        server = release.image.partition("/")[0]
        properties["imageRegistryCredentials"] = [{"server": server, "identity": account.server}]
    tags = {**marks(release), "created": datetime.now(UTC).isoformat()}
    known = {"location": location, "tags": tags, "identity": identity(account.server)}
    return {**known, "properties": properties}


def group_url(described: Any) -> str:
    """Return a group's address; the service has no TLS."""
    address = described.ip_address
    return f"http://{address.fqdn}:{PORT}" if address and address.fqdn else ""


def runs(described: Any) -> bool:
    """Tell whether the service says that a group's container runs."""
    state = described.instance_view.state if described.instance_view else ""
    return str(described.provisioning_state) == "Succeeded" and str(state) == "Running"


def endpoint_record(described: Any, *, ready: bool) -> Endpoint:
    """Return a group as the core knows it: one deployment, which has all traffic.

    Parameters
    ----------
    ready : bool
        Whether its model server says that it is.
    """
    tags = described.tags or {}
    deployment = _deployment(described, ready=ready)
    changing = {State.CREATING: State.UPDATING, State.DELETING: State.DELETING}
    return Endpoint(
        name=described.name,
        deployments={deployment.name: deployment},
        traffic={tags.get("name", ""): 100},
        state=changing.get(deployment.state, State.READY),
        url=group_url(described),
    )


def _deployment(described: Any, *, ready: bool) -> Deployment:
    tags = described.tags or {}
    state = State.READY if ready else State.CREATING
    provisioning = str(described.provisioning_state)
    if provisioning in ("Failed", "Deleting"):
        state = State.FAILED if provisioning == "Failed" else State.DELETING
    return Deployment(
        name=tags.get("name", ""),
        state=state,
        reason="the container ended: its log says why" if state is State.FAILED else "",
        bundle=tags.get("bundle", ""),
        version=tags.get("version", ""),
        digest=tags.get("digest", ""),
        instance=tags.get("instance", ""),
        created=datetime.fromisoformat(tags["created"]) if tags.get("created") else None,
    )
