"""Online endpoints: one address, its keys and its traffic."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from tridock.emulators.azure.core import schema
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.entra import LIFE
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import conflict, invalid
from tridock.emulators.azure.http.front import REGION, Front
from tridock.emulators.azure.servers import traffic
from tridock.emulators.azure.servers.rollout import Rollout
from tridock.emulators.azure.servers.workspace import Workspaces

#: Names of endpoints and deployments ("Manage and increase quotas").
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")

#: How long the service takes, in its seconds.
CREATE_SECONDS = 30.0
UPDATE_SECONDS = 15.0
DELETE_SECONDS = 20.0

KEYS = ("primaryKey", "secondaryKey")

#: Which tokens an ``AMLToken`` endpoint takes.
TOKEN_AUDIENCE = "https://ml.azure.com/online-endpoints/"  # noqa: S105 - an audience, no secret


class OnlineEndpoints(Kind):
    """Online endpoints of all workspaces."""

    def __init__(self, cloud: Cloud, workspaces: Workspaces, rollout: Rollout) -> None:
        super().__init__(cloud)
        self._workspaces = workspaces
        self._rollout = rollout

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to make or change an endpoint."""
        self._workspaces.need(identifier)
        body = call.json()
        schema.check("OnlineEndpoint", body)
        check_name("endpoint", identifier.name)
        before = self.cloud.store.get(identifier)
        self._check(identifier, body, before)
        state = "Updating" if before else "Creating"
        draft = self.draft(identifier, body).changed(provisioningState=state)
        made = self.keep(draft.changed(**_keys(before)))
        seconds = UPDATE_SECONDS if before else CREATE_SECONDS
        operation = self.cloud.operations.start(
            identifier, lambda: self._finish(identifier, seconds)
        )
        headers = operation.headers(call.front, self.cloud.operations.wait)
        return Answer(200 if before else 201, self.view(made, call.front), headers)

    def delete(self, identifier: ResourceId, call: Call) -> Answer:
        """Begin to delete an endpoint with its deployments."""
        if self.cloud.store.get(identifier) is None:
            return Answer(204)
        self._refuse_if_busy(identifier)
        self.cloud.store.change(identifier, provisioningState="Deleting")
        operation = self.cloud.operations.start(identifier, lambda: self._vanish(identifier))
        return self.cloud.operations.accept(operation, call)

    def act(self, identifier: ResourceId, action: str, call: Call) -> Answer:
        """Answer ``listKeys``, ``token`` and ``regenerateKeys``."""
        endpoint = self.find(identifier)
        mode = endpoint.properties["authMode"].lower()
        if action.lower() == "listkeys":
            return Answer(200, _pair(endpoint) if mode == "key" else {})
        if action.lower() == "token":
            return Answer(200, self._token(endpoint, mode))
        if action.lower() == "regeneratekeys":
            self._regenerate(endpoint, call.json())
            operation = self.cloud.operations.start(identifier, lambda: None)
            return self.cloud.operations.accept(operation, call)
        return super().act(identifier, action, call)

    def remove(self, identifier: ResourceId) -> None:
        """End the model servers behind an endpoint, and then forget it: until then it is there."""
        deployments = self.cloud.store.children(identifier, "deployments")
        for deployment in deployments:
            self._rollout.end(deployment.id)
        super().remove(identifier)
        for deployment in deployments:
            self._rollout.end(deployment.id)  # what came up meanwhile

    @override
    def shown(self, resource: Resource) -> dict[str, Any]:
        # Keys are given by ``listKeys`` only.
        return {name: one for name, one in resource.properties.items() if name not in KEYS}

    @override
    def view(self, resource: Resource, front: Front) -> dict[str, Any]:
        root = front.scoring(resource.id.name)
        addresses = {"scoringUri": f"{root}/score", "swaggerUri": f"{root}/swagger.json"}
        return {**resource.view(), "properties": self.shown(resource) | addresses}

    def _finish(self, identifier: ResourceId, seconds: float) -> None:
        self.cloud.clock.sleep(seconds)
        self.cloud.store.change(identifier, provisioningState="Succeeded")

    def _vanish(self, identifier: ResourceId) -> None:
        self.cloud.clock.sleep(DELETE_SECONDS)
        self.remove(identifier)

    def _refuse_if_busy(self, identifier: ResourceId) -> None:
        is_there = self.cloud.store.get(identifier) is not None
        if is_there and self.cloud.operations.is_busy(identifier):
            text = f"Endpoint '{identifier.name}' has an operation in progress"
            raise conflict(f"{text}: wait until its provisioning state is Succeeded.")

    def _check(
        self, identifier: ResourceId, body: Mapping[str, Any], before: Resource | None
    ) -> None:
        self._refuse_if_busy(identifier)
        if before is None and self._taken(identifier):
            raise invalid(f"Endpoint name '{identifier.name}' is taken in region {REGION}.")
        properties = body["properties"]
        mode = properties.get("authMode", "")
        if before and mode.lower() != before.properties["authMode"].lower():
            raise invalid("The auth mode of an endpoint cannot be changed.")
        live, mirror = properties.get("traffic") or {}, properties.get("mirrorTraffic") or {}
        standing = self.cloud.store.children(identifier, "deployments")
        ready = [one.id.name for one in standing if self.cloud.pools.get(one.id.key)]
        traffic.check(live, mirror, ready)
        if any(mirror.values()) and properties.get("compute"):
            raise invalid("Kubernetes online endpoints do not support mirrored traffic.")

    def _taken(self, identifier: ResourceId) -> bool:
        """Tell whether the name serves another endpoint: its host name is the region's."""
        tail = f"/onlineendpoints/{identifier.name.lower()}"
        resources = self.cloud.store.below("/subscriptions")
        return any(resource.id.key.endswith(tail) for resource in resources)

    def _token(self, endpoint: Resource, mode: str) -> dict[str, Any]:
        if mode == "key":
            raise invalid(f"Endpoint '{endpoint.id.name}' is key authenticated: it has no token.")
        token = self.cloud.entra.issue(audience_of(endpoint), lifetime=LIFE)
        ends = self.cloud.entra.claims(token) or {}
        content = {"accessToken": token, "tokenType": "Bearer", "expiryTimeUtc": ends["exp"]}
        return content | {"refreshAfterTimeUtc": ends["exp"] - LIFE // 2}

    def _regenerate(self, endpoint: Resource, body: Mapping[str, Any]) -> None:
        schema.check("RegenerateEndpointKeysRequest", body)
        name = f"{body['keyType'].lower()}Key"
        # Clients of the vendor send the present key (azure-ai-ml 1.35): that is no new key.
        given = body.get("keyValue")
        stands = given in _pair(endpoint).values()
        key = secrets.token_urlsafe(32) if stands or not given else given
        self.cloud.store.change(endpoint.id, **{name: key})


def check_name(what: str, name: str) -> None:
    """Let the name of an endpoint or a deployment through.

    Raises
    ------
    AzureError
        400.
    """
    if not NAME.fullmatch(name):
        rule = "3 to 32 letters, digits and hyphens, a letter first and no hyphen last"
        raise invalid(f"'{name}' is no valid {what} name: {rule}.")


def audience_of(endpoint: Resource) -> str:
    """Return what tokens of an ``AMLToken`` endpoint are for: not for a later one of its name."""
    return f"{TOKEN_AUDIENCE}{endpoint.id.name.lower()}/{endpoint.created}"


def _pair(endpoint: Resource) -> dict[str, Any]:
    return {name: endpoint.properties[name] for name in KEYS}


def _keys(before: Resource | None) -> dict[str, Any]:
    if before:
        return _pair(before)
    return {name: secrets.token_urlsafe(32) for name in KEYS}
