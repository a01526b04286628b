"""Revisions of Cloud Run services: immutable, each a real server that listens on PORT."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from emulators.fleet import Container
from emulators.gcp import listing
from emulators.gcp.cloud import Cloud, Handler
from emulators.gcp.containers import LEAST_REAL_SECONDS
from emulators.gcp.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    GcpError,
    InvalidArgumentError,
    NotFoundError,
)
from emulators.gcp.logs import Source
from emulators.gcp.names import Record, canonical, now, number, touch
from emulators.gcp.operations import Kind

#: A container has this long to listen ("Container runtime contract").
START_SECONDS = 240.0
PORT = 8080
REVISION = "google.cloud.run.v2.Revision"
_DELETING = Kind(REVISION, generic=False)
_COPIED = (
    *("labels", "annotations", "scaling", "serviceAccount", "containers", "volumes"),
    *("timeout", "maxInstanceRequestConcurrency", "executionEnvironment"),
)
READY = {"type": "Ready", "state": "CONDITION_SUCCEEDED"}


def start(cloud: Cloud, service: Record) -> Record:
    """Make the revision of a service's template, start its server, and return it when it listens.

    Raises
    ------
    FailedPreconditionError
        If the server does not listen; the revision stays, and says why.
    """
    name = name_of(cloud, service)
    revision = _record(name, service)
    cloud.revisions[canonical(name)] = revision
    made = _container(cloud, name, service["template"])
    try:
        cloud.servings.start(
            canonical(name),
            made,
            predict="",
            timeout=max(cloud.clock.real(START_SECONDS), LEAST_REAL_SECONDS),
            announce=partial(_log, cloud, name),
        )
    except GcpError as error:
        words = (
            f"Revision '{name.rpartition('/')[2]}' is not ready and cannot serve traffic. The "
            "user-provided container failed to start and listen on the port defined provided by "
            f"the PORT={_port(service['template'])} environment variable within the allocated "
            f"timeout. {error.message}"
        )
        failed = {"type": "Ready", "state": "CONDITION_FAILED", "message": words}
        revision.update(conditions=[failed], reconciling=False)
        raise FailedPreconditionError(words) from error
    revision.update(conditions=[READY], reconciling=False)
    return touch(revision)


def name_of(cloud: Cloud, service: Record) -> str:
    """Return the name of the revision that a service's template asks for.

    Raises
    ------
    InvalidArgumentError
        If it does not begin with the service's.
    AlreadyExistsError
        If there is one of that name.
    """
    short = service["name"].rpartition("/")[2]
    given = service["template"].get("revision", "").rpartition("/")[2]
    if given and not given.startswith(f"{short}-"):
        raise InvalidArgumentError(
            f"template.revision: '{given}' should be prefixed by the service's name '{short}-'."
        )
    made = given or f"{short}-{int(service['generation']):05d}-{secrets.token_hex(2)[:3]}"
    name = f"{service['name']}/revisions/{made}"
    if canonical(name) in cloud.revisions:
        raise AlreadyExistsError(f"Revision named '{made}' already exists.")
    return name


def of(cloud: Cloud, service: str) -> list[Record]:
    """Return a service's revisions, newest first."""
    prefix = f"{canonical(service)}/revisions/"
    return [each for name, each in cloud.revisions.items() if name.startswith(prefix)][::-1]


def get(cloud: Cloud, request: Record) -> Record:
    """``GetRevision``."""
    found = cloud.revisions.get(canonical(request["name"]))
    if found is None:
        raise NotFoundError(f"Resource '{request['name'].rpartition('/')[2]}' was not found")
    return found


def list_(cloud: Cloud, request: Record) -> Record:
    """``ListRevisions``: newest first."""
    return dict(listing.answer("revisions", of(cloud, request["parent"]), request))


def delete(cloud: Cloud, request: Record) -> Record:
    """``DeleteRevision``: not while traffic or a tag leads to it, and not the latest one."""
    revision = get(cloud, request)
    service = cloud.services[canonical(revision["name"].partition("/revisions/")[0])]
    short = revision["name"].rpartition("/")[2]
    used = {each["revision"] for each in service.get("trafficStatuses", ())}
    if short in used or service.get("latestReadyRevision") == revision["name"]:
        raise FailedPreconditionError(
            f"The revision '{short}' cannot be deleted: it is the latest, or has traffic or a tag."
        )
    remove(cloud, revision)
    done = {"@type": f"type.googleapis.com/{REVISION}", **revision}
    return cloud.operations.finished("/".join(revision["name"].split("/")[:4]), _DELETING, done)


def remove(cloud: Cloud, revision: Record) -> None:
    """Forget a revision and end its server."""
    cloud.revisions.pop(canonical(revision["name"]), None)
    cloud.servings.stop(canonical(revision["name"]))


def _record(name: str, service: Record) -> Record:
    template = service["template"]
    return {key: template[key] for key in _COPIED if key in template} | {
        "name": name,
        "uid": secrets.token_hex(16),
        "generation": "1",
        "service": service["name"].rpartition("/")[2],
        "createTime": now(),
        "updateTime": now(),
        "reconciling": True,
    }


def _container(cloud: Cloud, name: str, template: Record) -> Container:
    spec = template["containers"][0]
    service = name.split("/")[5]
    variables = {
        "PORT": str(_port(template)),
        "K_SERVICE": service,
        "K_REVISION": name.rpartition("/")[2],
        "K_CONFIGURATION": service,
    }
    given = {item["name"]: item.get("value", "") for item in spec.get("env", [])}
    folder = cloud.place.folder / "volumes" / name.rpartition("/")[2]
    mounted = dict(_volumes(cloud, template, folder))
    # A process cannot have paths of its own: what is mounted where images keep a model is it.
    model = mounted.get("/opt/ml/model") or next(iter(mounted.values()), None)
    probe = spec.get("startupProbe", {}).get("httpGet", {})
    return Container(
        spec["image"],
        model,
        variables | given,
        probe.get("path", "/"),
        _port(template),
        place="",
        files=mounted,
    )


def _volumes(cloud: Cloud, template: Record, folder: Path) -> Iterator[tuple[str, Path]]:
    """Copy the buckets that are mounted ("Cloud Storage volume mounts"): path, and folder."""
    sources = {volume["name"]: volume.get("gcs") for volume in template.get("volumes", [])}
    for mount in template["containers"][0].get("volumeMounts", []):
        source = sources.get(mount["name"])
        if source is None:
            continue
        options = dict(
            option.partition("=")[::2] for option in source.get("mountOptions", []) if "=" in option
        )
        uri = f"gs://{source['bucket']}/{options.get('only-dir', '')}"
        if source["bucket"] not in cloud.store.buckets:
            raise NotFoundError(f"The bucket {source['bucket']} of a volume does not exist.")
        target = folder / mount["name"]
        target.mkdir(parents=True, exist_ok=True)
        cloud.store.copy_to(uri.rstrip("/"), target)
        yield mount["mountPath"], target


def _port(template: Record) -> int:
    ports = template["containers"][0].get("ports") or [{}]
    return int(ports[0].get("containerPort", PORT))


def _log(cloud: Cloud, name: str, file: Path) -> None:
    _, project, _, location, _, service, _, revision = name.split("/")
    labels = {"project_id": number(project), "location": location, "service_name": service}
    labels |= {"revision_name": revision, "configuration_name": service}
    resource = {"type": "cloud_run_revision", "labels": labels}
    cloud.logs.sources.append(Source(file, "run.googleapis.com/stdout", resource, {}, now()))


HANDLERS: Mapping[str, Handler] = {
    "Revisions.GetRevision": get,
    "Revisions.ListRevisions": list_,
    "Revisions.DeleteRevision": delete,
}
