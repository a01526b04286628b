"""Container Instances: one group is one container here, with an address of its own.

Source: Azure Container Instances REST API, "Container Groups" and "Containers".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.pool import Pool
from tridock.emulators.azure.core.resource import Resource, ResourceId, now
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, conflict
from tridock.emulators.azure.http.front import INSTANCES_SUFFIX, REGION, Front
from tridock.emulators.azure.servers import containers
from tridock.emulators.azure.servers.rollout import Rollout

TYPE = "microsoft.containerinstance/containergroups"

#: How long the service takes, in its seconds.
CREATE_SECONDS = 30.0
DELETE_SECONDS = 10.0

#: Cores of one group, and GiB of its memory, in most regions ("Resource availability").
CPU_LIMIT, MEMORY_LIMIT = 4.0, 16.0


class ContainerGroups(Kind):
    """Groups of all resource groups.

    Parameters
    ----------
    rollout : Rollout
        What brings model servers up.
    """

    def __init__(self, cloud: Cloud, rollout: Rollout) -> None:
        super().__init__(cloud)
        self._rollout = rollout

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to make a group, or to make its container anew."""
        before = self.cloud.store.get(identifier)
        if before and self.cloud.operations.is_busy(identifier):
            text = f"The container group '{identifier.name}' is still transitioning"
            raise conflict(f"{text}, please retry later.")
        draft = self.draft(identifier, call.json())
        _check(draft)
        made = self.keep(draft.changed(provisioningState="Pending", ipAddress=_address(draft)))
        operation = self.cloud.operations.start(identifier, lambda: self._roll(made))
        headers = operation.headers(call.front, self.cloud.operations.wait)
        return Answer(200 if before else 201, self.view(made, call.front), headers)

    def delete(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to delete a group."""
        if self.cloud.store.get(identifier) is None:
            return Answer(204)
        self.cloud.store.change(identifier, provisioningState="Deleting")
        operation = self.cloud.operations.start(identifier, lambda: self._vanish(identifier))
        return self.cloud.operations.accept(operation, call)

    @override
    def view(self, resource: Resource, front: Front) -> dict[str, Any]:
        state = {"Succeeded": "Running", "Failed": "Failed"}.get(resource.state, "Pending")
        word = {"Running": "Running", "Failed": "Terminated"}.get(state, "Waiting")
        current: dict[str, Any] = {
            "state": word,
            "startTime": resource.modified,
            "detailStatus": "",
        }
        current |= {"exitCode": 1, "detailStatus": "Error"} if state == "Failed" else {}
        about = {"restartCount": 0, "currentState": current}
        held = [_shown(one, about) for one in resource.properties["containers"]]
        return resource.changed(containers=held, instanceView={"events": [], "state": state}).view()

    def remove(self, identifier: ResourceId) -> None:
        """Forget a group and end its model server."""
        self._rollout.end(identifier)
        super().remove(identifier)
        self._rollout.end(identifier)  # what came up meanwhile

    def pool(self, host: str, port: int) -> Pool | None:
        """Return the servers that answer at a host name and port."""
        for one in self.cloud.store.below("/subscriptions"):
            address = one.properties.get("ipAddress") or {}
            ports = [each["port"] for each in address.get("ports") or ()]
            if one.id.type.lower() == TYPE and address.get("fqdn") == host and port in ports:
                return self.cloud.pools.get(one.id.key)
        return None

    def log(self, identifier: ResourceId) -> str:
        """Return what a group's container wrote."""
        return self._rollout.log(identifier)

    def bring_back(self) -> None:
        """Start what ran when the emulator ended."""
        for one in self.cloud.store.below(""):
            if one.id.type.lower() == TYPE and one.state == "Succeeded":
                self.cloud.store.change(one.id, provisioningState="Pending")
                self.cloud.operations.start(one.id, lambda one=one: self._roll(one))  # type: ignore[misc]

    def _roll(self, made: Resource) -> None:
        self.cloud.clock.sleep(CREATE_SECONDS)
        self._rollout.end(made.id)  # Unlike elsewhere, the old one ends before the new one comes.
        container = _flat(made.properties["containers"][0])
        state = "Failed"
        try:
            wanted = containers.specification(self.cloud, container, body=made.body, instances=1)
            self._rollout.roll(made, wanted, None)
            state = "Succeeded"
        finally:
            if self.cloud.store.change(made.id, provisioningState=state) is None:
                self._rollout.end(made.id)  # It was deleted meanwhile.

    def _vanish(self, identifier: ResourceId) -> None:
        self.cloud.clock.sleep(DELETE_SECONDS)
        self.remove(identifier)


class ContainerLogs(Kind):
    """Log of the container of a group."""

    def __init__(self, cloud: Cloud, groups: ContainerGroups) -> None:
        super().__init__(cloud)
        self._groups = groups

    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        """Answer ``GET`` of a container's ``logs``."""
        group = self._groups.find(parent.parent)
        names = [one["name"] for one in group.properties["containers"]]
        if parent.name not in names:
            text = f"The container '{parent.name}' is not in the group: {', '.join(names)} is."
            raise AzureError(404, "ContainerNotFound", text)
        lines = self._groups.log(group.id).splitlines()
        shown = lines[-int(call.query.get("tail") or len(lines) or 1) :]
        stamped = call.query.get("timestamps", "").lower() == "true"
        return Answer(200, {"content": "\n".join(f"{now()} {x}" if stamped else x for x in shown)})


def _check(wanted: Resource) -> None:
    held = wanted.properties.get("containers") or []
    if not wanted.body.get("location"):
        raise AzureError(400, "LocationRequired", "The location property is required.")
    if len(held) != 1 or not held[0].get("properties", {}).get("image"):
        raise _refusal("InvalidContainers", "one container with an image is what is emulated.")
    requests = (held[0]["properties"].get("resources") or {}).get("requests") or {}
    if not requests.get("cpu") or not requests.get("memoryInGB"):
        raise _refusal("InvalidResourceRequests", "resources.requests: cpu and memoryInGB needed.")
    if requests["cpu"] > CPU_LIMIT or requests["memoryInGB"] > MEMORY_LIMIT:
        text = f"{requests['cpu']} CPUs and {requests['memoryInGB']} GB: the most is"
        raise _refusal("ResourceRequestsInvalid", f"{text} {CPU_LIMIT:g} and {MEMORY_LIMIT:g}.")
    if not wanted.properties.get("osType"):
        raise _refusal("OsTypeRequired", "properties.osType: Linux or Windows is needed.")


def _address(wanted: Resource) -> dict[str, Any] | None:
    address = wanted.properties.get("ipAddress")
    if not address:
        return None
    label = address.get("dnsNameLabel")
    scope = address.get("autoGeneratedDomainNameLabelScope") or "Unsecure"
    mark = (
        "" if scope == "Unsecure" else f".{uuid.uuid5(uuid.NAMESPACE_URL, wanted.id.key).hex[:16]}"
    )
    fqdn = {"fqdn": f"{label}{mark}.{REGION}{INSTANCES_SUFFIX}"} if label else {}
    return {**address, "ip": "20.0.0.1", **fqdn}


def _flat(container: Mapping[str, Any]) -> dict[str, Any]:
    """Return a container in the form that both services' readers know."""
    flat = dict(container["properties"])
    probe = flat.get("readinessProbe")
    return flat | ({"probes": [{**probe, "type": "Readiness"}]} if probe else {})


def _shown(container: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return a container as answered: without secret values."""
    variables = container["properties"].get("environmentVariables") or ()
    plain = [
        {name: v for name, v in variable.items() if name != "secureValue"} for variable in variables
    ]
    properties = {**container["properties"], "environmentVariables": plain, "instanceView": about}
    return {**container, "properties": properties}


def _refusal(code: str, message: str) -> AzureError:
    return AzureError(400, code, message)
