"""Cloud Run services (Admin API v2): a template, its revisions, and the traffic among them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import partial

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.operations import Kind, Progress
from tridock.emulators.gcp.protocol import limits, listing, masks
from tridock.emulators.gcp.protocol.errors import (
    AbortedError,
    AlreadyExistsError,
    GcpError,
    InvalidArgumentError,
    NotFoundError,
)
from tridock.emulators.gcp.protocol.names import Record, canonical, now, number, touch
from tridock.emulators.gcp.run import revisions
from tridock.emulators.gcp.run.revisions import READY

SERVICE = "google.cloud.run.v2.Service"
CHANGE_SECONDS = 10.0
_KIND = Kind(SERVICE, generic=False)
_LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
_REVISION = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
_CHANGEABLE = (
    *("description", "labels", "annotations", "client", "clientVersion", "ingress", "launchStage"),
    *("template", "traffic", "scaling", "invokerIamDisabled", "defaultUriDisabled"),
)


def create(cloud: Cloud, request: Record) -> Record:
    """``CreateService``."""
    key = request["serviceId"]
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?", key):
        raise InvalidArgumentError(
            f"service_id: '{key}' must begin with a letter, end with a letter or digit, and have "
            "less than 50 characters of [a-z0-9-]."
        )
    name = f"{request['parent']}/services/{key}"
    if canonical(name) in cloud.services:
        raise AlreadyExistsError(f"Resource '{key}' already exists.")
    sent = {k: v for k, v in request["service"].items() if k in _CHANGEABLE}
    service = sent | {
        "name": name,
        "uid": secrets.token_hex(16),
        "generation": "1",
        "createTime": now(),
        "uri": f"https://{_host(name)}",
        "urls": [f"https://{_host(name)}"],
        "ingress": sent.get("ingress", "INGRESS_TRAFFIC_ALL"),
        "reconciling": True,
    }
    _check(cloud, service)
    revision = revisions.name_of(cloud, service)
    cloud.services[canonical(name)] = service
    return _begin(cloud, service, revision)


def get(cloud: Cloud, request: Record) -> Record:
    """``GetService``."""
    return find(cloud, request["name"])


def list_(cloud: Cloud, request: Record) -> Record:
    """``ListServices``."""
    prefix = f"{canonical(request['parent'])}/services/"
    services = [service for name, service in cloud.services.items() if name.startswith(prefix)]
    return dict(listing.answer("services", services, request))


def update(cloud: Cloud, request: Record) -> Record:
    """``UpdateService``: a changed template makes a revision; traffic moves when it is ready."""
    sent = request["service"]
    if canonical(sent["name"]) not in cloud.services and request.get("allowMissing"):
        parent, _, key = sent["name"].rpartition("/services/")
        return create(cloud, {"parent": parent, "serviceId": key, "service": sent})
    service = find(cloud, sent["name"])
    if sent.get("etag", service["etag"]) != service["etag"]:
        raise AbortedError(f"Conflict for resource '{sent['name']}': its etag is another.")
    changed = masks.merge(service, sent, mask=request.get("updateMask", ""), allowed=_CHANGEABLE)
    starts = changed["template"] != service["template"]
    changed["generation"] = str(int(service["generation"]) + 1)
    changed["reconciling"] = True
    _check(cloud, changed)
    revision = revisions.name_of(cloud, changed) if starts else ""
    service.clear()
    service.update(changed)
    return _begin(cloud, service, revision)


def delete(cloud: Cloud, request: Record) -> Record:
    """``DeleteService``: with its revisions."""
    service = find(cloud, request["name"])
    return cloud.operations.begin(_location(service), _KIND, "services.delete", service)


def _delete(cloud: Cloud, progress: Progress, service: Record) -> None:
    def forget() -> None:
        for revision in revisions.of(cloud, service["name"]):
            revisions.forget(cloud, revision)

    def finish() -> Record:
        cloud.services.pop(canonical(service["name"]), None)
        return {"@type": f"type.googleapis.com/{SERVICE}"} | service

    progress.change(forget)
    progress.wait(CHANGE_SECONDS)
    progress.finish(finish)


def find(cloud: Cloud, name: str) -> Record:
    """Return a service.

    Raises
    ------
    NotFoundError
        If there is none of that name.
    """
    service = cloud.services.get(canonical(name))
    if service is None:
        raise NotFoundError(f"Resource '{name.rpartition('/')[2]}' of kind 'SERVICE' was not found")
    return service


def _begin(cloud: Cloud, service: Record, revision: str) -> Record:
    """Begin to make a service what it was changed to; `revision`: one to start, or empty."""
    touch(service)
    template = service["template"] | {"revision": revision.rpartition("/")[2]}
    arguments = {"service": service["name"], "revision": revision, "template": template}
    return cloud.operations.begin(_location(service), _KIND, "services.reconcile", arguments)


def _reconcile(cloud: Cloud, progress: Progress, arguments: Record) -> None:
    progress.wait(CHANGE_SECONDS)
    name, revision = arguments["service"], arguments["revision"]
    try:
        if revision:
            wanted = find(cloud, name) | {"template": arguments["template"]}
            progress.change(lambda: find(cloud, name).update(latestCreatedRevision=revision))
            revisions.start(cloud, wanted, revision)
        progress.finish(partial(_direct, cloud, arguments))
    except GcpError as error:
        failed = {"type": "Ready", "state": "CONDITION_FAILED", "message": error.message}
        if canonical(name) in cloud.services:
            change = {"reconciling": False, "terminalCondition": failed}
            progress.change(lambda: find(cloud, name).update(change))
        raise


def _direct(cloud: Cloud, arguments: Record) -> Record:
    """Let a service's traffic lead to revisions, and return the operation's response."""
    service = find(cloud, arguments["service"])
    if arguments["revision"]:
        service["latestReadyRevision"] = arguments["revision"]
    latest = service.get("latestReadyRevision", "").rpartition("/")[2]
    service["trafficStatuses"] = list(_statuses(service, latest))
    service.update(reconciling=False, terminalCondition=READY)
    service["observedGeneration"] = service["generation"]
    touch(service)
    return {"@type": f"type.googleapis.com/{SERVICE}"} | deepcopy(service)


def _statuses(service: Record, latest: str) -> Iterator[Record]:
    for target in service.get("traffic") or [{"type": _LATEST, "percent": 100}]:
        status = {"type": target.get("type", _LATEST), "revision": target.get("revision", latest)}
        status["percent"] = target.get("percent", 0)
        if target.get("tag"):
            status["tag"] = target["tag"]
            status["uri"] = f"https://{target['tag']}---{_host(service['name'])}"
        yield status


def _check(cloud: Cloud, service: Record) -> None:
    limits.check_labels(service, "service")
    if not service["template"].get("containers"):
        raise InvalidArgumentError("template.containers: at least one container is required.")
    traffic = service.get("traffic", [])
    if not traffic:
        return
    if sum(target.get("percent", 0) for target in traffic) != 100:
        raise InvalidArgumentError("traffic: The sum of the percents must be 100.")
    tags = [target["tag"] for target in traffic if target.get("tag")]
    if len(set(tags)) != len(tags):
        raise InvalidArgumentError(f"traffic: Tags must be unique: {tags}.")
    coming = service["template"].get("revision", "").rpartition("/")[2]
    for target in traffic:
        if target.get("type") != _REVISION:
            continue
        name = f"{service['name']}/revisions/{target.get('revision', '')}"
        if canonical(name) not in cloud.revisions and target.get("revision") != coming:
            raise InvalidArgumentError(
                f"traffic: Revision '{target.get('revision', '')}' was not found."
            )


def _host(name: str) -> str:
    _, project, _, location, _, key = name.split("/")
    return f"{key}-{number(project)}.{location}.run.app"


def _location(service: Record) -> str:
    return "/".join(service["name"].split("/")[:4])


HANDLERS: Mapping[str, Handler] = {
    "Services.CreateService": create,
    "Services.GetService": get,
    "Services.ListServices": list_,
    "Services.UpdateService": update,
    "Services.DeleteService": delete,
}

WORKS = {"services.reconcile": _reconcile, "services.delete": _delete}
