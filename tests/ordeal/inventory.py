"""All that stands in an account, counted by kind: two accounts in the same state count the same."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tridock.deploy.local import daemon
from tridock.deploy.target.protocol import Target

#: What changes from version to version in the names of things.
DIGEST = re.compile(r"[0-9a-f]{64}")
DEPLOYMENT = re.compile(r"v\d-[0-9a-f]{8}")
#: Files of a bundle that is stored file by file.
VERSION = re.compile(r"\d-[0-9a-f]{12}|[0-9a-f-]{36}|[0-9a-f]{32}")
#: Folders that the SDK names by the bundle's folder.
NUMBER = re.compile(r"/\d/")


def of(target: Target) -> Counter[str]:
    """Count what stands in the target's account."""
    found: Callable[[Any], Iterator[str]] = KINDS[type(target).__name__]
    return Counter(found(target))


def without_a_revision(stands: Counter[str], servers: int) -> int:
    """Return how many servers run beyond one for each revision, of which some are asleep."""
    revisions = sum(count for name, count in stands.items() if " has " in name)
    return max(0, servers - revisions)


def plain(names: Iterable[str], kind: str) -> Iterator[str]:
    """Yield names without what changes from version to version."""
    for name in names:
        general = DEPLOYMENT.sub("DEPLOYMENT", DIGEST.sub("DIGEST", name))
        yield f"{kind} {NUMBER.sub('/VERSION/', VERSION.sub('VERSION', general))}"


def _aws(target: Any) -> Iterator[str]:
    sagemaker, s3 = target.account.sagemaker, target.account.s3
    for kind in ("Endpoint", "EndpointConfig", "Model"):
        operation = "list_" + re.sub(r"(?<!^)([A-Z])", r"_\1", kind).lower() + "s"
        pages = sagemaker.get_paginator(operation).paginate()
        found = [each[f"{kind}Name"] for page in pages for each in page[f"{kind}s"]]
        # A configuration's name is made of its content.
        yield from (f"{kind} {name.partition('--')[0]}" for name in found)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=target.store.bucket)
    yield from plain((one["Key"] for page in pages for one in page.get("Contents", ())), "object")


def _gcp(target: Any) -> Iterator[str]:
    account = target.account
    for endpoint in account.endpoints.list_endpoints(parent=account.parent):
        name = endpoint.name.rpartition("/")[2]
        yield from plain([name], "endpoint")
        yield from plain((one.display_name for one in endpoint.deployed_models), f"{name} has")
    for model in account.models.list_models(parent=account.parent):
        name = model.name.partition("@")[0]
        for version in account.models.list_model_versions(name=name):
            yield f"version of {name.rpartition('/')[2]}, {version.labels.get('state', '')}"
    blobs = account.storage.list_blobs(target.store.bucket)
    yield from plain((blob.name for blob in blobs), "object")


def _azure(target: Any) -> Iterator[str]:
    client = target.account.client
    for endpoint in client.online_endpoints.list():
        yield f"endpoint {endpoint.name}"
        found = [one.name for one in client.online_deployments.list(endpoint.name)]
        yield from plain(found, f"{endpoint.name} has")
    for model in client.models.list():
        for version in client.models.list(model.name):
            tags = " ".join(sorted(name for name in version.tags if name.startswith("used-by")))
            yield f"version of model {model.name} {tags}"
    for environment in client.environments.list():
        if environment.name.startswith("tridock"):
            versions = client.environments.list(environment.name)
            yield from (f"version of environment {environment.name}" for _ in versions)
    with target.notes.bundles.container("blobs:list") as container:
        yield from plain(list(container.list_blob_names()), "blob")


def _local(target: Any) -> Iterator[str]:
    folder: Path = target.folder
    for endpoint in target.endpoints():
        yield f"endpoint {endpoint}"
        yield from plain(target.describe(endpoint).deployments, f"{endpoint} has")
    yield from plain((path.name for path in (folder / "bundles").glob("*")), "bundle")
    notes = (path for path in (folder / "notes").rglob("*.json") if path.is_file())
    yield from plain((str(path.relative_to(folder)) for path in notes), "note")
    if daemon.find(folder):
        router = json.loads((folder / "running.json").read_text())["pid"]
        yield from ("model server" for _ in _children(router))


def _children(pid: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(pid) and fields[0] != "Z":
            yield int(path.parent.name)


def _cloud_run(target: Any) -> Iterator[str]:
    account = target.account
    for service in account.services.list_services(parent=account.parent):
        name = service.name.rpartition("/")[2]
        yield f"service {name}"
        found = account.revisions.list_revisions(parent=service.name)
        yield from plain((one.name.rpartition("/")[2] for one in found), f"{name} has")
        yield from plain((one.tag for one in service.traffic), f"{name} names")
    blobs = account.storage.list_blobs(target.store.bucket)
    yield from plain((blob.name for blob in blobs), "object")


def _container_apps(target: Any) -> Iterator[str]:
    """Inactive revisions stay, and run nothing: those that are active are counted."""
    for name in target.endpoints():
        yield f"app {name}"
        yield from plain(target.describe(name).deployments, f"{name} has")
    yield from _blobs(target)


def _instances(target: Any) -> Iterator[str]:
    for group in target.client.container_groups.list_by_resource_group(target.account.group):
        yield f"container group {group.name}"
    yield from _blobs(target)


def _blobs(target: Any) -> Iterator[str]:
    with target.bundles.container("blobs:list") as container:
        yield from plain(list(container.list_blob_names()), "blob")


KINDS: dict[str, Callable[[Any], Iterator[str]]] = {
    "AzureTarget": _azure,
    "CloudRunTarget": _cloud_run,
    "ContainerAppsTarget": _container_apps,
    "InstancesTarget": _instances,
    "LocalTarget": _local,
    "SageMakerTarget": _aws,
    "VertexTarget": _gcp,
}
