"""What Vertex AI copies into its own project for a container to read: `AIP_STORAGE_URI`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from emulators.fleet import Container
from emulators.gcp.cloud import Cloud
from emulators.gcp.storage.errors import ConflictError

#: Google's own project; no client's list of buckets shows it.
PROJECT = "0"
STORAGE = "STORAGE_EMULATOR_HOST"


def bucket(key: str) -> str:
    """Return the name of the bucket for a deployed model or a job."""
    return f"caip-tenant-{key}"


def lend(cloud: Cloud, key: str, container: Container) -> Container:
    """Copy a container's model to where its environment says, and tell it which storage that is.

    Parameters
    ----------
    key : str
        What it is deployed as; `take_back` takes it.
    """
    uri = container.environment["AIP_STORAGE_URI"]
    if container.model and uri:
        with suppress(ConflictError):
            cloud.store.make_bucket({"name": bucket(key)}, PROJECT)
        prefix = uri.removeprefix(f"gs://{bucket(key)}/")
        for file in _files(container.model):
            name = f"{prefix}/{file.relative_to(container.model).as_posix()}"
            cloud.store.write(bucket(key), {"name": name}, file.read_bytes())
    return replace(container, environment={**cloud.surroundings, **container.environment})


def take_back(cloud: Cloud, key: str) -> None:
    """Delete the copy, if there is one."""
    name = bucket(key)
    if name not in cloud.store.buckets:
        return
    for record in list(cloud.store.list(name)):
        cloud.store.delete(name, record["name"])
    cloud.store.delete_bucket(name)


def _files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]
