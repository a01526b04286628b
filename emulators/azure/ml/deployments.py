"""Online deployments: made, changed without a gap, deleted; their logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from tridock.emulators.azure.core import schema
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, conflict, invalid
from tridock.emulators.azure.ml.endpoints import OnlineEndpoints, check_name
from tridock.emulators.azure.servers import specification
from tridock.emulators.azure.servers.rollout import Rollout
from tridock.emulators.azure.servers.specification import Specification

#: Deployments that one endpoint may have ("Manage and increase quotas").
DEPLOYMENTS_LIMIT = 20

#: How long the service takes to find machines and to give them back, in its seconds.
CREATE_SECONDS = 60.0
UPDATE_SECONDS = 20.0
DELETE_SECONDS = 20.0

#: What the service fills in ("CLI (v2) managed online deployment YAML schema").
DEFAULTS = {
    "scaleSettings": {"scaleType": "Default"},
    "requestSettings": {
        "requestTimeout": "PT5S",
        "maxConcurrentRequestsPerInstance": 1,
        "maxQueueWait": "PT0.5S",
    },
    "egressPublicNetworkAccess": "Enabled",
}


class OnlineDeployments(Kind):
    """Deployments of all online endpoints."""

    defaults = DEFAULTS

    def __init__(self, cloud: Cloud, endpoints: OnlineEndpoints, rollout: Rollout) -> None:
        super().__init__(cloud)
        self._endpoints = endpoints
        self._rollout = rollout

    @override
    def list(self, parent: ResourceId, kind: str, call: Call) -> Answer:
        self._endpoints.find(parent)
        return super().list(parent, kind, call)

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to make or change a deployment."""
        body = call.json()
        schema.check("OnlineDeployment", body)
        check_name("deployment", identifier.name)
        before = self.cloud.store.get(identifier)
        self._check(identifier, body, before)
        draft = self.draft(identifier, body)
        wanted = Specification.read(self.cloud, draft.body)
        state = "Updating" if before else "Creating"
        made = self.keep(draft.changed(provisioningState=state))
        operation = self.cloud.operations.start(
            identifier, lambda: self._roll(made, wanted, before)
        )
        headers = operation.headers(call.front, self.cloud.operations.wait)
        return Answer(200 if before else 201, self.view(made, call.front), headers)

    def delete(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to delete a deployment that has no traffic."""
        if self.cloud.store.get(identifier) is None:
            return Answer(204)
        self._refuse_if_busy(identifier)
        endpoint = self._endpoints.find(identifier.parent)
        for name in ("traffic", "mirrorTraffic"):
            share = (endpoint.properties.get(name) or {}).get(identifier.name)
            if share:
                text = f"Deployment '{identifier.name}' has {share} percent of the endpoint's"
                raise invalid(f"{text} {name}: set it to 0 before you delete the deployment.")
        self.cloud.store.change(identifier, provisioningState="Deleting")
        operation = self.cloud.operations.start(identifier, lambda: self._vanish(identifier))
        return self.cloud.operations.accept(operation, call)

    def act(self, identifier: ResourceId, action: str, call: Call) -> Answer:
        """Answer ``getLogs``."""
        self.find(identifier)
        if action.lower() != "getlogs":
            return super().act(identifier, action, call)
        wish = call.json()
        schema.check("DeploymentLogsRequest", wish)
        part = (wish.get("containerType") or "InferenceServer").lower()
        text = self._rollout.log(identifier, initializer=part == "storageinitializer")
        return Answer(200, {"content": "\n".join(text.splitlines()[-(wish.get("tail") or 5000) :])})

    def remove(self, identifier: ResourceId) -> None:
        """End the model servers of a deployment, and then forget it: until then it is there."""
        self._rollout.end(identifier)
        super().remove(identifier)
        self._rollout.end(identifier)  # what came up meanwhile

    def _roll(self, made: Resource, wanted: Specification, before: Resource | None) -> None:
        self.cloud.clock.sleep(UPDATE_SECONDS if before else CREATE_SECONDS)
        try:
            self._rollout.roll(made, wanted, before)
        except AzureError:
            self.cloud.store.change(made.id, provisioningState="Failed")
            raise
        self.cloud.store.change(made.id, provisioningState="Succeeded")

    def _vanish(self, identifier: ResourceId) -> None:
        self.cloud.clock.sleep(DELETE_SECONDS)
        endpoint = self._endpoints.find(identifier.parent)
        for name in ("traffic", "mirrorTraffic"):
            shares = endpoint.properties.get(name) or {}
            left = {one: share for one, share in shares.items() if one != identifier.name}
            self.cloud.store.change(endpoint.id, **{name: left})
        self.remove(identifier)

    def _refuse_if_busy(self, identifier: ResourceId) -> None:
        is_there = self.cloud.store.get(identifier) is not None
        if is_there and self.cloud.operations.is_busy(identifier):
            text = f"Deployment '{identifier.name}' has an operation in progress"
            raise conflict(f"{text}: wait until its provisioning state is Succeeded or Failed.")

    def _check(
        self, identifier: ResourceId, body: Mapping[str, Any], before: Resource | None
    ) -> None:
        endpoint = self._endpoints.find(identifier.parent)
        if endpoint.state in ("Creating", "Deleting"):
            text = f"Endpoint '{endpoint.id.name}' is in state {endpoint.state}"
            raise conflict(f"{text}: wait until it is Succeeded.")
        self._refuse_if_busy(identifier)
        specification.check(body)
        standing = self.cloud.store.children(identifier.parent, "deployments")
        if before is None and len(standing) >= DEPLOYMENTS_LIMIT:
            raise invalid(f"An endpoint can have at most {DEPLOYMENTS_LIMIT} deployments.")
