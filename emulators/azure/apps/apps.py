"""Container apps: made and changed by operations, one new revision for each new template.

Source: Azure Container Apps REST API, "Container Apps"; documentation pages "Update and deploy
changes in Azure Container Apps" and "Traffic splitting in Azure Container Apps".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from tridock.emulators.azure.apps.revisions import Revisions
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.environments import ManagedEnvironments
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, invalid
from tridock.emulators.azure.http.front import Front

#: How long the service takes, in its seconds.
CREATE_SECONDS = 30.0
UPDATE_SECONDS = 10.0
DELETE_SECONDS = 15.0

NAME = re.compile(r"(?=.{2,32}$)[a-z](?:-?[a-z0-9])+")
SUFFIX = re.compile(r"[a-z](?:-?[a-z0-9])*")

#: The longest label of a host name (RFC 1035, 2.3.4): a revision's name is one.
LABEL = 63
AUDIENCE = "containerapps-logstream:"


class ContainerApps(Kind):
    """Apps of all groups."""

    def __init__(
        self, cloud: Cloud, environments: ManagedEnvironments, revisions: Revisions
    ) -> None:
        super().__init__(cloud)
        self._environments = environments
        self._revisions = revisions

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to make or change an app."""
        before = self.cloud.store.get(identifier)
        self._refuse_if_busy(identifier, before)
        wanted = self.draft(identifier, call.json())
        domain = self._environments.domain(_environment(wanted))
        revision = self._named(wanted, before)
        _check(wanted)
        self._check_traffic(wanted, revision)
        made = self.keep(_filled(wanted, before, (revision, domain)))
        if revision:
            self._revisions.make(made, revision, domain)
        operation = self.cloud.operations.start(identifier, lambda: self._settle(made, revision))
        headers = operation.headers(call.front, self.cloud.operations.wait)
        return Answer(200 if before else 201, self.view(made, call.front), headers)

    def delete(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to delete an app."""
        app = self.cloud.store.get(identifier)
        if app is None:
            return Answer(204)
        self._refuse_if_busy(identifier, app)
        self.cloud.store.change(identifier, provisioningState="Deleting")
        operation = self.cloud.operations.start(identifier, lambda: self._vanish(identifier))
        return self.cloud.operations.accept(operation, call)

    def act(self, identifier: ResourceId, action: str, call: Call) -> Answer:
        """Answer ``getAuthtoken`` and ``listSecrets``."""
        app = self.find(identifier)
        if action.lower() == "listsecrets":
            return Answer(200, {"value": []})
        if action.lower() != "getauthtoken":
            return super().act(identifier, action, call)
        token = self.cloud.entra.issue(AUDIENCE + identifier.key)
        return Answer(200, {**app.view(), "properties": {"token": token}})

    @override
    def shown(self, resource: Resource) -> dict[str, Any]:
        return {name: one for name, one in resource.properties.items() if name != "servingTraffic"}

    @override
    def view(self, resource: Resource, front: Front) -> dict[str, Any]:
        return {**resource.view(), "properties": self.shown(resource)}

    def remove(self, identifier: ResourceId) -> None:
        """Forget an app and end its revisions."""
        for revision in self.cloud.store.children(identifier, "revisions"):
            self._revisions.remove(revision.id)
        super().remove(identifier)

    def _settle(self, made: Resource, revision: str) -> None:
        is_first = made.properties["servingTraffic"] is None
        self.cloud.clock.sleep(CREATE_SECONDS if is_first else UPDATE_SECONDS)
        changed: dict[str, Any] = {"provisioningState": "Succeeded"}
        try:
            if revision:
                self._revisions.start(made.id.child("revisions", revision))
                changed["latestReadyRevisionName"] = revision
        except AzureError:
            changed["provisioningState"] = "Failed"
            raise
        finally:
            ingress = made.properties["configuration"].get("ingress") or {}
            self.cloud.store.change(made.id, servingTraffic=ingress.get("traffic"), **changed)

    def _vanish(self, identifier: ResourceId) -> None:
        self.cloud.clock.sleep(DELETE_SECONDS)
        self.remove(identifier)

    def _refuse_if_busy(self, identifier: ResourceId, resource: Resource | None) -> None:
        if resource and (self.cloud.operations.is_busy(identifier) or resource.state == "Deleting"):
            text = f"Cannot modify a container app '{identifier.name}' because there is an active"
            text += " provisioning operation in progress. Wait for it and try again."
            raise AzureError(409, "ContainerAppOperationInProgress", text)

    def _named(self, wanted: Resource, before: Resource | None) -> str:
        """Name the revision that a changed template makes; empty if it did not change."""
        template = wanted.properties.get("template") or {}
        if before and template == before.properties["template"]:
            return ""
        suffix = template.get("revisionSuffix") or f"r{uuid.uuid4().hex[:6]}"
        name = f"{wanted.id.name}--{suffix}"
        if not SUFFIX.fullmatch(suffix) or len(name) > LABEL:
            rule = "lower-case letters, digits and hyphens, a letter first, no two hyphens in a row"
            raise _refusal("ContainerAppInvalidRevisionSuffix", f"'{suffix}' is not valid: {rule}")
        if self.cloud.store.get(wanted.id.child("revisions", name)):
            text = f"The revision '{name}' exists: a changed template needs another revisionSuffix"
            raise _refusal("ContainerAppRevisionSuffixInUse", text)
        return name

    def _check_traffic(self, wanted: Resource, coming: str) -> None:
        ingress = (wanted.properties.get("configuration") or {}).get("ingress") or {}
        traffic = ingress.get("traffic") or [{"latestRevision": True, "weight": 100}]
        standing = {one.id.name for one in self.cloud.store.children(wanted.id, "revisions")}
        live = {
            name
            for name in standing
            if self._revisions.find(wanted.id.child("revisions", name)).properties["active"]
        }
        for one in traffic:
            name = one.get("revisionName")
            if name and name not in live | {coming}:
                text = f"The traffic names revision '{name}', which is not active or not there."
                raise _refusal("ContainerAppInvalidTraffic", text)
        total = sum(int(one.get("weight") or 0) for one in traffic)
        if total != 100:
            text = f"The traffic weights must sum to 100, not to {total}."
            raise _refusal("ContainerAppInvalidTrafficWeight", text)


def _check(wanted: Resource) -> None:
    if not NAME.fullmatch(wanted.id.name):
        rule = "2 to 32 lower-case letters, digits and hyphens, a letter first, no hyphen last"
        text = f"Invalid ContainerApp name '{wanted.id.name}': {rule}."
        raise _refusal("ContainerAppInvalidName", text)
    held = (wanted.properties.get("template") or {}).get("containers") or []
    if len(held) != 1 or not held[0].get("image"):
        raise invalid("template.containers: one container with an image is what is emulated.")
    _check_size(held[0].get("resources") or {})


def _check_size(resources: Mapping[str, Any]) -> None:
    """Hold CPU and memory to the pairs of the Consumption plan ("Containers", allocations)."""
    cpu = float(resources.get("cpu") or 0.5)
    memory = str(resources.get("memory") or f"{2 * cpu:g}Gi")
    if cpu % 0.25 or not 0.25 <= cpu <= 4 or float(memory.removesuffix("Gi")) != 2 * cpu:
        text = f"The cpu {cpu:g} and memory {memory} are no pair: 0.25 to 4 CPUs by 0.25, 2Gi each."
        raise _refusal("ContainerAppInvalidResourceTotal", text)


def _filled(wanted: Resource, before: Resource | None, coming: tuple[str, str]) -> Resource:
    """Return the app with what the service adds."""
    revision, domain = coming
    configuration = dict(wanted.properties.get("configuration") or {})
    mode = configuration.setdefault("activeRevisionsMode", "Single")
    if str(mode).lower() != "multiple":
        raise invalid("Only activeRevisionsMode 'Multiple' is emulated.")
    ingress = configuration.get("ingress")
    if ingress:
        traffic = ingress.get("traffic") or [{"latestRevision": True, "weight": 100}]
        fqdn = f"{wanted.id.name}.{domain}"
        configuration["ingress"] = {**ingress, "fqdn": fqdn, "traffic": traffic}
    old = before.properties if before else {}
    name = revision or old["latestRevisionName"]
    return wanted.changed(
        provisioningState="InProgress",
        configuration=configuration,
        latestRevisionName=name,
        latestRevisionFqdn=f"{name}.{domain}",
        latestReadyRevisionName=old.get("latestReadyRevisionName", ""),
        servingTraffic=old.get("servingTraffic"),
        runningStatus="Running",
    )


def _environment(app: Resource) -> str:
    names = ("managedEnvironmentId", "environmentId")
    return next((str(app.properties[name]) for name in names if app.properties.get(name)), "")


def _refusal(code: str, message: str) -> AzureError:
    return AzureError(400, code, message)
