"""Revisions of container apps and their replicas: real processes, switched on and off.

Source: Azure Container Apps REST API, "Container Apps Revisions" and "Container Apps Revision
Replicas"; documentation page "Update and deploy changes in Azure Container Apps".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import Resource, ResourceId, now
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, invalid
from tridock.emulators.azure.http.front import APPS_STREAM, Front
from tridock.emulators.azure.servers import containers
from tridock.emulators.azure.servers.rollout import Rollout

TYPE = "/containerapps/revisions"
#: What holds where a template does not say ("Set scaling rules in Azure Container Apps").
MOST, CONCURRENT = 10, 10
UP = {"provisioningState": "Provisioned", "healthState": "Healthy", "runningState": "Running"}
COMING = {"provisioningState": "Provisioning", "healthState": "None", "runningState": "Processing"}
DOWN = {"provisioningState": "Failed", "healthState": "Unhealthy", "runningState": "Failed"}
OFF = {"provisioningState": "Deprovisioned", "healthState": "None", "runningState": "Stopped"}


class Revisions(Kind):
    """Revisions of all container apps.

    Parameters
    ----------
    rollout : Rollout
        What brings model servers up.
    """

    def __init__(self, cloud: Cloud, rollout: Rollout) -> None:
        super().__init__(cloud)
        self._rollout = rollout

    @override
    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        self.find(parent)
        return super().list(parent, kind, call)

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Refuse: an app's new template makes a revision, and nothing else does."""
        raise _unchangeable()

    def delete(self, identifier: ResourceId, call: Call) -> Answer:
        """Refuse: the service removes inactive ones by itself, the oldest above 100."""
        raise _unchangeable()

    def act(self, identifier: ResourceId, action: str, call: Call) -> Answer:
        """Answer ``activate`` and ``deactivate``."""
        revision = self.find(identifier)
        if action.lower() == "deactivate":
            if self._weight(revision):
                raise invalid(
                    f"Revision '{identifier.name}' has traffic: set its weight to 0 first."
                )
            self.cloud.store.change(identifier, active=False, replicas=0, **OFF)
            self._rollout.end(identifier)
            return Answer(200)
        if action.lower() == "activate":
            if not revision.properties["active"]:
                self.cloud.store.change(identifier, active=True, **COMING)
                self.cloud.operations.start(identifier, lambda: self._again(revision))
            return Answer(200)
        return super().act(identifier, action, call)

    @override
    def view(self, resource: Resource, front: Front) -> dict[str, Any]:
        weight = self._weight(resource)
        return resource.changed(trafficWeight=weight).view() | {"id": resource.id.path}

    def remove(self, identifier: ResourceId) -> None:
        """Forget one and end its model servers."""
        self._rollout.end(identifier)
        super().remove(identifier)
        self._rollout.end(identifier)  # what came up meanwhile

    def make(self, app: Resource, name: str, domain: str) -> Resource:
        """Keep a new revision of `app`, whose template it takes; it comes up by `start`."""
        properties = {
            "createdTime": now(),
            "fqdn": f"{name}.{domain}",
            "template": app.properties["template"],
            "active": True,
            "replicas": 0,
        }
        return self.keep(Resource(app.id.child("revisions", name), {"properties": properties}))

    def start(self, identifier: ResourceId, *, before: bool = False) -> None:
        """Bring the model servers of a revision up.

        Raises
        ------
        AzureError
            If they do not come up; the revision says why.
        """
        revision = self.cloud.store.change(identifier, **COMING)
        if revision is None:
            return
        try:
            self._check_port(revision)
            self._rollout.roll(revision, self._wanted(revision), None)
        except AzureError as error:
            reason = str(error.__cause__ or error.message)
            self.cloud.store.change(identifier, provisioningError=reason, **DOWN)
            text = f"Failed to provision revision for container app: {reason}"
            raise AzureError(400, "ContainerAppOperationError", text) from error
        if self.cloud.store.change(identifier, replicas=_replicas(revision), **UP) is None:
            self._rollout.end(identifier)  # It was deleted meanwhile.

    def bring_back(self) -> None:
        """Start what ran when the emulator ended."""
        for one in self.cloud.store.below(""):
            running = one.properties.get("active") and one.state in ("Provisioned", "Succeeded")
            if one.id.type.lower().endswith(TYPE) and running:
                self.cloud.store.change(one.id, **COMING)
                self.cloud.operations.start(one.id, lambda one=one: self._again(one))  # type: ignore[misc]

    def log(self, identifier: ResourceId, replica: int) -> str:
        """Return what one replica wrote; a revision that failed has the one that did."""
        pool = self.cloud.pools.get(identifier.key)
        if pool and replica < len(pool.servers):
            return pool.servers[replica].log.read_text(errors="replace")
        return self._rollout.log(identifier)

    def _again(self, revision: Resource) -> None:
        self.start(revision.id)

    def _wanted(self, revision: Resource) -> Any:
        app = self.find(revision.id.parent)
        container = revision.properties["template"]["containers"][0]
        wanted = {**container, "env": [*(container.get("env") or ()), *_told(revision)]}
        return containers.specification(
            self.cloud, wanted, body=app.body, instances=_replicas(revision)
        )

    def _check_port(self, revision: Resource) -> None:
        app = self.find(revision.id.parent)
        ingress = app.properties["configuration"].get("ingress") or {}
        listens = containers.listens_at(revision.properties["template"]["containers"][0])
        wanted = int(ingress.get("targetPort") or listens)
        if wanted != listens:
            text = f"The TargetPort {wanted} does not match the listening port {listens}."
            raise AzureError(400, "ContainerAppOperationError", text)

    def _weight(self, revision: Resource) -> int:
        app = self.cloud.store.get(revision.id.parent)
        return weights(app.properties).get(revision.id.name, 0) if app else 0


class Replicas(Kind):
    """The instances of revisions."""

    def __init__(self, cloud: Cloud, revisions: Revisions) -> None:
        super().__init__(cloud)
        self._revisions = revisions

    @override
    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        revision = self._revisions.find(parent)
        pool = self.cloud.pools.get(parent.key)
        count = len(pool.servers) if pool else int(bool(self._revisions.log(parent, 0)))
        return Answer(200, {"value": [_replica(revision, n, bool(pool)) for n in range(count)]})


def weights(properties: Mapping[str, Any]) -> dict[str, int]:
    """Return percent by revision, as an app serves now: ``latestRevision`` is the latest ready."""
    sums: dict[str, int] = {}
    for one in properties.get("servingTraffic") or ():
        name = one.get("revisionName") or properties.get("latestReadyRevisionName")
        if name:
            sums[name] = sums.get(name, 0) + int(one.get("weight") or 0)
    return sums


def scale_of(revision: Resource) -> tuple[int, int, int]:
    """Return a revision's least and most replicas, and how many requests each is to answer."""
    scale = revision.properties["template"].get("scale") or {}
    least, most = int(scale.get("minReplicas") or 0), int(scale.get("maxReplicas") or MOST)
    rules = (one.get("http") or {} for one in scale.get("rules") or ())
    metadata: Mapping[str, Any] = next(
        (rule["metadata"] for rule in rules if rule.get("metadata")), {}
    )
    return least, max(least, most, 1), int(metadata.get("concurrentRequests") or CONCURRENT)


def _replicas(revision: Resource) -> int:
    """Return how many start: one at least, which shows whether it comes up."""
    return max(1, scale_of(revision)[0])


def _told(revision: Resource) -> list[dict[str, str]]:
    facts = {"NAME": revision.id.parent.name, "REVISION": revision.id.name}
    facts["HOSTNAME"] = str(revision.properties["fqdn"])
    return [{"name": f"CONTAINER_APP_{name}", "value": value} for name, value in facts.items()]


def _replica(revision: Resource, number: int, running: bool) -> dict[str, Any]:
    name = f"{revision.id.name}-{number}"
    identifier = revision.id.child("replicas", name)
    container = revision.properties["template"]["containers"][0].get("name") or "container"
    tail = f"{identifier.path.partition('/providers/Microsoft.App')[2]}/containers/{container}"
    head = f"/subscriptions/{identifier.subscription}/resourceGroups/{identifier.group}"
    stream = f"https://{APPS_STREAM}{head}{tail}/logstream"
    state = "Running" if running else "Terminated"
    one = {"name": container, "ready": running, "started": running, "restartCount": 0}
    one |= {"runningState": state, "logStreamEndpoint": stream}
    properties = {
        "createdTime": revision.created,
        "runningState": "Running" if running else "NotRunning",
        "containers": [one],
    }
    head_of = {"id": identifier.path, "name": name, "type": identifier.type}
    return {**head_of, "properties": properties}


def _unchangeable() -> AzureError:
    text = "Revisions cannot be put or deleted: change the app's template, or deactivate."
    return AzureError(405, "HttpMethodNotAllowed", text)
