"""Calls to a cloud, recorded on their way out, and the permission that each needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import requests

AUTOSCALE = "Microsoft.Insights/autoscaleSettings"
METRICS = "Microsoft.Insights/metrics"
ML = "Microsoft.MachineLearningServices/workspaces"
#: Below a workspace, as Resource Manager spells it; clients spell it in several ways.
WORKSPACE = rf"(?i:.*/providers/{re.escape(ML)}/[^/]+)"
VERTEX = r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+"
RUN = r"/v2/projects/[^/]+/locations/[^/]+"
BUCKET = r"/storage/v1/b/[^/]+"


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.host}{self.path}"


@dataclass(frozen=True)
class Needs:
    """A line of the table: these calls need these permissions."""

    method: str
    path: str
    permissions: tuple[str, ...] = ()
    host: str = r".*"

    def covers(self, call: Call) -> bool:
        """Tell whether the line speaks of a call."""
        parts = ((self.method, call.method), (self.host, call.host), (self.path, call.path))
        return all(re.fullmatch(pattern, text) for pattern, text in parts)


@dataclass
class Record:
    """What was called."""

    calls: set[Call] = field(default_factory=set)

    def add(self, method: str, url: str) -> None:
        """Note one request."""
        parts = urlsplit(url)
        self.calls.add(Call(method, parts.hostname or "", parts.path))


@contextmanager
def recorded() -> Iterator[Record]:
    """Note every request that leaves by requests or httpx, which all the clients use."""
    record = Record()
    plain, modern = requests.Session.send, httpx.Client.send

    def send(self: requests.Session, request: Any, **more: Any) -> Any:
        record.add(str(request.method), str(request.url))
        return plain(self, request, **more)

    def send_modern(self: httpx.Client, request: httpx.Request, **more: Any) -> Any:
        record.add(request.method, str(request.url))
        return modern(self, request, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "send", send)
        patch.setattr(httpx.Client, "send", send_modern)
        yield record


def needed(record: Record, table: Sequence[Needs]) -> tuple[set[str], list[str]]:
    """Return the permissions of all calls, and the calls that the table does not know."""
    permissions: set[str] = set()
    unknown = []
    for call in sorted(record.calls, key=str):
        line = next((each for each in table if each.covers(call)), None)
        if line is None:
            unknown.append(str(call))
        else:
            permissions |= set(line.permissions)
    return permissions, unknown


def _gcp(kind: str, verb: str) -> tuple[str, ...]:
    return (f"aiplatform.{kind}.{verb}",)


#: "IAM permissions" of Vertex AI; "IAM permissions for JSON methods" of Cloud Storage: to replace
#: an object is to delete it, too; "Access control with IAM" of Cloud Logging,
#: of Cloud Monitoring and of Cloud Run.
GCP = (
    Needs("POST", r"/(token|oauth2/.*)"),
    Needs("GET", r".*/operations/[^/]+"),  # by whoever began it
    Needs("GET", r".*/allowedLocations"),  # the credentials ask about themselves
    Needs("GET", BUCKET),  # the client's traces ask for the bucket's place, and do without
    Needs("POST", rf"{VERTEX}/endpoints", _gcp("endpoints", "create")),
    Needs("GET", rf"{VERTEX}/endpoints", _gcp("endpoints", "list")),
    Needs("GET", rf"{VERTEX}/endpoints/[^/:]+", _gcp("endpoints", "get")),
    Needs("PATCH", rf"{VERTEX}/endpoints/[^/:]+", _gcp("endpoints", "update")),
    Needs("DELETE", rf"{VERTEX}/endpoints/[^/:]+", _gcp("endpoints", "delete")),
    Needs("POST", rf"{VERTEX}/endpoints/[^/]+:deployModel", _gcp("endpoints", "deploy")),
    Needs("POST", rf"{VERTEX}/endpoints/[^/]+:undeployModel", _gcp("endpoints", "undeploy")),
    Needs("POST", rf"{VERTEX}/endpoints/[^/]+:mutateDeployedModel", _gcp("endpoints", "deploy")),
    Needs("POST", rf"{VERTEX}/endpoints/[^/]+:rawPredict", _gcp("endpoints", "predict")),
    Needs("POST", rf"{VERTEX}/models:upload", _gcp("models", "upload")),
    Needs("GET", rf"{VERTEX}/models", _gcp("models", "list")),
    Needs("GET", rf"{VERTEX}/models/[^/]+:listVersions", _gcp("models", "list")),
    Needs("GET", rf"{VERTEX}/models/[^/:]+", _gcp("models", "get")),
    Needs("POST", rf"{VERTEX}/models/[^/]+:mergeVersionAliases", _gcp("models", "update")),
    Needs("PATCH", rf"{VERTEX}/models/[^/]+", _gcp("models", "update")),
    Needs("DELETE", rf"{VERTEX}/models/[^/]+", _gcp("models", "delete")),
    Needs("POST", rf"/upload{BUCKET}/o", ("storage.objects.create", "storage.objects.delete")),
    Needs("GET", rf"{BUCKET}/o", ("storage.objects.list",)),
    Needs("GET", rf"(/download)?{BUCKET}/o/[^/]+", ("storage.objects.get",)),
    Needs("DELETE", rf"{BUCKET}/o/[^/]+", ("storage.objects.delete",)),
    Needs("POST", r"/v2/entries:list", ("logging.logEntries.list",)),
    Needs("GET", r"/v3/projects/[^/]+/timeSeries", ("monitoring.timeSeries.list",)),
    Needs("POST", rf"{RUN}/services", ("run.services.create",)),
    Needs("GET", rf"{RUN}/services", ("run.services.list",)),
    Needs("GET", rf"{RUN}/services/[^/]+", ("run.services.get",)),
    Needs("PATCH", rf"{RUN}/services/[^/]+", ("run.services.update",)),
    Needs("DELETE", rf"{RUN}/services/[^/]+", ("run.services.delete",)),
    Needs("GET", rf"{RUN}/services/[^/]+/revisions", ("run.revisions.list",)),
    Needs("GET", rf"{RUN}/services/[^/]+/revisions/[^/]+", ("run.revisions.get",)),
    Needs("DELETE", rf"{RUN}/services/[^/]+/revisions/[^/]+", ("run.revisions.delete",)),
    Needs("POST", r"/.*", ("run.routes.invoke",), host=r".*\.run\.app"),
)


def _azure(part: str) -> tuple[str, ...]:
    return (f"{ML}/{part}",)


SETTINGS = rf"(?i:.*/providers/{re.escape(AUTOSCALE)})"
ONLINE = rf"{WORKSPACE}/onlineEndpoints"
#: "Azure permissions for AI + machine learning": Resource Manager's own rule is that GET is read,
#: PUT and PATCH write, DELETE delete, and POST the action that its path names.
AZURE = (
    Needs(".*", r".*", host=r"login\.microsoftonline\.com|127\.0\.0\.1|localhost"),
    Needs(".*", r".*", host=r".*\.inference\.ml\.azure\.com"),  # with the endpoint's key
    Needs(".*", r".*", host=r".*\.blob\.core\.windows\.net"),  # a role on the storage account
    Needs("GET", r"/metadata/endpoints"),
    Needs("GET", r".*/(mfeOperationsStatus|mfeOperationResults)/.*"),  # by whoever began it
    Needs("GET", WORKSPACE, _azure("read")),
    Needs("GET", SETTINGS, (f"{AUTOSCALE}/read",)),
    Needs("PUT", rf"{SETTINGS}/[^/]+", (f"{AUTOSCALE}/write",)),
    Needs("DELETE", rf"{SETTINGS}/[^/]+", (f"{AUTOSCALE}/delete",)),
    Needs("GET", rf"{WORKSPACE}/data", _azure("data/read")),
    Needs("GET", rf"{WORKSPACE}/data/[^/]+/versions/[^/]+", _azure("data/versions/read")),
    Needs("PUT", rf"{WORKSPACE}/data/[^/]+/versions/[^/]+", _azure("data/versions/write")),
    Needs("DELETE", rf"{WORKSPACE}/data/[^/]+/versions/[^/]+", _azure("data/versions/delete")),
    Needs("GET", rf"{WORKSPACE}/datastores/[^/]+", _azure("datastores/read")),
    Needs("GET", rf"{WORKSPACE}/datastores", _azure("datastores/read")),
    Needs(
        "POST",
        rf"{WORKSPACE}/datastores/[^/]+/listSecrets",
        _azure("datastores/listSecrets/action"),
    ),
    Needs("GET", rf"{WORKSPACE}/models(/[^/]+)?", _azure("models/read")),
    Needs("PUT", rf"{WORKSPACE}/models/[^/]+", _azure("models/write")),
    Needs("GET", rf"{WORKSPACE}/models/[^/]+/versions(/[^/]+)?", _azure("models/versions/read")),
    Needs("PUT", rf"{WORKSPACE}/models/[^/]+/versions/[^/]+", _azure("models/versions/write")),
    Needs("DELETE", rf"{WORKSPACE}/models/[^/]+/versions/[^/]+", _azure("models/versions/delete")),
    Needs(
        "GET",
        rf"{WORKSPACE}/environments/[^/]+/versions(/[^/]+)?",
        _azure("environments/versions/read"),
    ),
    Needs(
        "PUT",
        rf"{WORKSPACE}/environments/[^/]+/versions/[^/]+",
        _azure("environments/versions/write"),
    ),
    Needs(
        "DELETE",
        rf"{WORKSPACE}/environments/[^/]+/versions/[^/]+",
        _azure("environments/versions/delete"),
    ),
    Needs(
        "GET",
        rf"{WORKSPACE}/batchEndpoints",  # and the deployments of those that are there
        (*_azure("batchEndpoints/read"), *_azure("batchEndpoints/deployments/read")),
    ),
    Needs("GET", rf"{ONLINE}(/[^/]+)?", _azure("onlineEndpoints/read")),
    Needs("PUT|PATCH", rf"{ONLINE}/[^/]+", _azure("onlineEndpoints/write")),
    Needs("DELETE", rf"{ONLINE}/[^/]+", _azure("onlineEndpoints/delete")),
    Needs("POST", rf"{ONLINE}/[^/]+/listKeys", _azure("onlineEndpoints/listKeys/action")),
    Needs(
        "GET", rf"{ONLINE}/[^/]+/deployments(/[^/]+)?", _azure("onlineEndpoints/deployments/read")
    ),
    Needs(
        "PUT|PATCH",
        rf"{ONLINE}/[^/]+/deployments/[^/]+",
        _azure("onlineEndpoints/deployments/write"),
    ),
    Needs(
        "DELETE", rf"{ONLINE}/[^/]+/deployments/[^/]+", _azure("onlineEndpoints/deployments/delete")
    ),
    Needs(
        "POST",
        rf"{ONLINE}/[^/]+/deployments/[^/]+/getLogs",
        _azure("onlineEndpoints/deployments/getLogs/action"),
    ),
    Needs(
        "GET",
        rf"{ONLINE}/[^/]+(/deployments/[^/]+)?/providers/{re.escape(METRICS)}",
        (f"{METRICS}/read",),
    ),
)
