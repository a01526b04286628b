"""Revisions of Cloud Run services: immutable, each a real server that listens on PORT."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from tridock.emulators.fleet import Container
from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.logs import Source
from tridock.emulators.gcp.core.operations import Kind
from tridock.emulators.gcp.core.serving import Plan
from tridock.emulators.gcp.protocol import listing
from tridock.emulators.gcp.protocol.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    GcpError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from tridock.emulators.gcp.protocol.names import Record, canonical, now, number, touch
from tridock.emulators.gcp.state.trash import remove
from tridock.emulators.gcp.storage.errors import StorageError
from tridock.emulators.gcp.vertex.containers import LEAST_REAL_SECONDS

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


def start(cloud: Cloud, service: Record, name: str) -> None:
    """Make the revision `name` of a service's template and start its server.

    Raises
    ------
    FailedPreconditionError
        If the server does not listen; the revision stays, and says why.
    """
    with cloud.lock:
        cloud.revisions[canonical(name)] = _record(name, service)
        cloud.state.commit()
    try:
        cloud.servings.start(plan(cloud, name, service["template"]))
    except GcpError as error:
        words = (
            f"Revision '{name.rpartition('/')[2]}' is not ready and cannot serve traffic. The "
            "user-provided container failed to start and listen on the port defined provided by "
            f"the PORT={_port(service['template'])} environment variable within the allocated "
            f"timeout. {error.message}"
        )
        _settle(cloud, name, {"type": "Ready", "state": "CONDITION_FAILED", "message": words})
        raise FailedPreconditionError(words) from error
    _settle(cloud, name, READY)


def plan(cloud: Cloud, name: str, template: Record) -> Plan:
    """Return what is started for a revision: of a template, or of its own record."""
    made = _container(cloud, name, template)
    timeout = max(cloud.clock.real(START_SECONDS), LEAST_REAL_SECONDS)
    return Plan(canonical(name), made, "", timeout, partial(_log, cloud, name))


def _settle(cloud: Cloud, name: str, condition: Record) -> None:
    with cloud.lock:
        revision = cloud.revisions[canonical(name)]
        revision.update(conditions=[condition], reconciling=False)
        touch(revision)
        cloud.state.commit()


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
    return [revision for name, revision in cloud.revisions.items() if name.startswith(prefix)][::-1]


def get(cloud: Cloud, request: Record) -> Record:
    """``GetRevision``."""
    revision = cloud.revisions.get(canonical(request["name"]))
    if revision is None:
        raise NotFoundError(f"Resource '{request['name'].rpartition('/')[2]}' was not found")
    return revision


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
    forget(cloud, revision)
    done = {"@type": f"type.googleapis.com/{REVISION}", **revision}
    return cloud.operations.finished("/".join(revision["name"].split("/")[:4]), _DELETING, done)


def forget(cloud: Cloud, revision: Record) -> None:
    """Forget a revision, and end its server once that is on disk."""
    cloud.revisions.pop(canonical(revision["name"]), None)
    cloud.state.later(partial(_end, cloud, revision))


def _end(cloud: Cloud, revision: Record) -> None:
    remove(_folder(cloud, revision))
    cloud.servings.stop(canonical(revision["name"]))


def _folder(cloud: Cloud, revision: Record) -> Path:
    """Return the folder of a revision's volumes; the next one of its name has another."""
    name = canonical(revision["name"]).replace("/", "_")
    return cloud.place.folder / "volumes" / f"{name}-{revision['uid']}"


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
    mounted = dict(_volumes(cloud, template, _folder(cloud, cloud.revisions[canonical(name)])))
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
    """Yield mount paths, and folders with copies of the buckets ("Cloud Storage volume mounts")."""
    sources = {volume["name"]: volume.get("gcs") for volume in template.get("volumes", [])}
    for mount in template["containers"][0].get("volumeMounts", []):
        source = sources.get(mount["name"])
        if source is None:
            continue
        target = folder / mount["name"]
        if not target.exists():  # else: the revision started before the emulator ended
            _copy(cloud, source, target)
        yield mount["mountPath"], target


def _copy(cloud: Cloud, source: Record, target: Path) -> None:
    """Copy a bucket, or one folder of it, whole or not at all."""
    options = dict(
        option.partition("=")[::2] for option in source.get("mountOptions", []) if "=" in option
    )
    if source["bucket"] not in cloud.store.buckets:
        raise NotFoundError(f"The bucket {source['bucket']} of a volume does not exist.")
    draft = target.with_name(f".draft-{uuid.uuid4().hex}")
    draft.mkdir(parents=True)
    try:
        cloud.store.copy_to(f"gs://{source['bucket']}/{options.get('only-dir', '')}", draft)
        draft.rename(target)
    except (OSError, StorageError) as error:
        remove(draft)
        raise UnavailableError(f"A volume cannot be mounted: {error}") from error


def _port(template: Record) -> int:
    ports = template["containers"][0].get("ports") or [{}]
    return int(ports[0].get("containerPort", PORT))


def _log(cloud: Cloud, name: str, file: Path) -> None:
    _, project, _, location, _, service, _, revision = name.split("/")
    labels = {"project_id": number(project), "location": location, "service_name": service}
    labels |= {"revision_name": revision, "configuration_name": service}
    resource = {"type": "cloud_run_revision", "labels": labels}
    cloud.logs.add(Source(file, "run.googleapis.com/stdout", resource, {}, now()))


HANDLERS: Mapping[str, Handler] = {
    "Revisions.GetRevision": get,
    "Revisions.ListRevisions": list_,
    "Revisions.DeleteRevision": delete,
}
