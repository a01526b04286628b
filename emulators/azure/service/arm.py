"""Azure Resource Manager: who may ask, what the path names, which type answers.

Source: Azure Resource Manager REST API, "Resource Groups" and "Resources"; "Azure Resource Provider
Contract" for paths and verbs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.entra import MANAGEMENT_AUDIENCES, TENANT
from tridock.emulators.azure.core.group import Groups
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.operation import STATUS_WORDS
from tridock.emulators.azure.core.resource import ResourceId
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, missing, not_emulated
from tridock.emulators.azure.monitor.metrics import Metrics

#: A subscription, and what follows it.
SUBSCRIPTION = re.compile(r"^/subscriptions/(?P<subscription>[^/]+)(?P<rest>/.*)?$", re.I)
GROUP = re.compile(r"^/resourcegroups(?:/(?P<group>[^/]+))?(?P<rest>/.*)?$", re.I)
PROVIDER = re.compile(r"^/providers/(?P<provider>[^/]+)(?P<rest>/.*)?$", re.I)
OPERATION = re.compile(r"^/locations/[^/]+/(?P<word>\w*operation\w*)/(?P<name>[^/]+)$", re.I)
METRICS = re.compile(
    r"^(?P<resource>.+)/providers/microsoft\.insights/(?P<word>metrics|metricdefinitions)$", re.I
)
GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.I)


class Arm:
    """Answers ``management.azure.com``.

    Parameters
    ----------
    cloud : Cloud
        The resources.
    groups : Groups
        Resource groups.
    kinds : Mapping of str to Kind
        Types by their full name in lower case; others are not emulated.
    """

    def __init__(self, cloud: Cloud, groups: Groups, kinds: Mapping[str, Kind]) -> None:
        self._cloud = cloud
        self._groups = groups
        self._kinds = kinds
        self._metrics = Metrics(cloud)

    def answer(self, call: Call) -> Answer:
        """Answer one request."""
        self._cloud.entra.check(call, MANAGEMENT_AUDIENCES)
        if "api-version" not in call.query:
            message = "The api-version query parameter (?api-version=) is required."
            raise AzureError(400, "MissingApiVersionParameter", message)
        match = SUBSCRIPTION.match(call.path.rstrip("/"))
        if not match:
            return self._above(call)
        subscription, rest = match["subscription"], match["rest"] or ""
        if not GUID.match(subscription):
            message = f"The provided subscription identifier '{subscription}' is malformed."
            raise AzureError(404, "InvalidSubscriptionId", message)
        return self._in_subscription(call, subscription, rest)

    def _above(self, call: Call) -> Answer:
        if call.path.rstrip("/").lower() == "/tenants":
            return Answer(200, {"value": [{"id": f"/tenants/{TENANT}", "tenantId": TENANT}]})
        if call.path.rstrip("/").lower() == "/subscriptions":
            return Answer(200, {"value": []})
        raise not_emulated(f"{call.method} {call.path}")

    def _in_subscription(self, call: Call, subscription: str, rest: str) -> Answer:
        if not rest:
            return Answer(200, _subscription(subscription))
        group = GROUP.match(rest)
        if group and group["group"] and group["rest"]:
            return self._in_group(call, (subscription, group["group"]), group["rest"])
        if group:
            return self._groups.answer(call, subscription, group["group"])
        provider = PROVIDER.match(rest)
        if provider:
            return self._across(call, subscription, provider)
        raise not_emulated(f"{call.method} {call.path}")

    def _across(self, call: Call, subscription: str, provider: re.Match[str]) -> Answer:
        """Answer what a provider has for a whole subscription."""
        rest = provider["rest"] or ""
        operation = OPERATION.match(rest)
        if operation and operation["word"].lower() in STATUS_WORDS:
            return self._cloud.operations.poll(call, operation["name"])
        if operation:
            return self._cloud.operations.result(call, operation["name"])
        if rest in ("", "/register"):
            return Answer(200, _registration(subscription, provider["provider"]))
        kind = self._kind(call, f"{provider['provider']}{rest}")
        wanted = f"{provider['provider']}{rest}".lower()
        resources = self._cloud.store.below(f"/subscriptions/{subscription}")
        fitting = [
            kind.view(resource, call.front)
            for resource in resources
            if resource.id.type.lower() == wanted
        ]
        return Answer(200, {"value": fitting})

    def _in_group(self, call: Call, place: tuple[str, str], rest: str) -> Answer:
        subscription, group = place
        self._groups.need(subscription, group)
        measured = METRICS.match(rest)
        if measured and call.method == "GET":
            return self._measured(call, measured)
        if rest.lower() == "/resources":
            return self._groups.resources(call, subscription, group)
        provider = PROVIDER.match(rest)
        if not provider or not provider["rest"]:
            raise not_emulated(f"{call.method} {call.path}")
        parts = provider["rest"].strip("/").split("/")
        pairs = tuple(zip(parts[::2], parts[1::2], strict=False))
        identifier = ResourceId(subscription, group, provider["provider"], pairs)
        if len(parts) % 2:
            return self._on_word(call, identifier, parts[-1])
        return self._on_resource(call, identifier)

    def _measured(self, call: Call, match: re.Match[str]) -> Answer:
        """Answer a request to Azure Monitor about an existing resource."""
        path = call.path.rstrip("/")[: len(match["resource"]) - len(match[0])]
        resource = self._cloud.store.get(path)
        if resource is None:
            raise missing(path)
        return self._metrics.answer(resource, match["word"], call)

    def _on_word(self, call: Call, identifier: ResourceId, word: str) -> Answer:
        """Answer a path that ends with a collection or an action."""
        collection = f"{identifier.type}/{word}"
        if call.method == "GET":
            return self._kind(call, collection).list(identifier, word, call)
        if call.method == "POST" and identifier.pairs:
            return self._kind(call, identifier.type).act(identifier, word, call)
        raise _method(call)

    def _on_resource(self, call: Call, identifier: ResourceId) -> Answer:
        kind = self._kind(call, identifier.type)
        verbs = {"GET": kind.get, "PUT": kind.put, "PATCH": kind.patch, "DELETE": kind.delete}
        if call.method == "HEAD":
            return Answer(204 if self._cloud.store.get(identifier) else 404)
        if call.method not in verbs:
            raise _method(call)
        return verbs[call.method](identifier, call)

    def _kind(self, call: Call, name: str) -> Kind:
        kind = self._kinds.get(name.lower())
        if kind is None:
            raise not_emulated(f"{call.method} of {name} (api-version {call.query['api-version']})")
        return kind


def _subscription(name: str) -> dict[str, Any]:
    path = f"/subscriptions/{name}"
    content = {"id": path, "subscriptionId": name, "displayName": "Emulated", "state": "Enabled"}
    return content | {"tenantId": TENANT}


def _registration(subscription: str, provider: str) -> dict[str, Any]:
    path = f"/subscriptions/{subscription}/providers/{provider}"
    content = {"id": path, "namespace": provider, "registrationState": "Registered"}
    return content | {"resourceTypes": []}


def _method(call: Call) -> AzureError:
    return AzureError(405, "HttpMethodNotAllowed", f"{call.method} is not supported here.")
