"""Copies in Vertex AI's own project for a container to read: `AIP_STORAGE_URI`."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tridock.emulators.fleet import Container
from tridock.emulators.gcp.auth.tokens import CONTAINER_SECONDS, TokenError
from tridock.emulators.gcp.core.cloud import Cloud
from tridock.emulators.gcp.protocol.errors import UnauthenticatedError, UnavailableError
from tridock.emulators.gcp.protocol.wire import Request
from tridock.emulators.gcp.storage.errors import ConflictError, StorageError

#: Google's own project; no client's list of buckets shows it.
PROJECT = "0"
STORAGE = "STORAGE_EMULATOR_HOST"
#: Before the token of a container in the address that it gets.
PREFIX = "/container/"


def bucket(key: str) -> str:
    """Return the name of the bucket for a deployed model or a job."""
    return f"caip-tenant-{key}"


def lend(cloud: Cloud, key: str, container: Container) -> Container:
    """Copy a container's model to where its environment says, and set which storage that is.

    Parameters
    ----------
    key : str
        What it is deployed as; `take_back` takes it.

    Raises
    ------
    UnavailableError
        If the copy cannot be written.
    """
    uri = container.environment["AIP_STORAGE_URI"]
    if container.model and uri:
        try:
            _copy(cloud, key, container.model, uri)
        except (OSError, StorageError) as error:
            raise UnavailableError(f"The model cannot be copied to {uri}: {error}") from error
    token = cloud.tokens.access(bucket(key), (_scope(bucket(key)),), CONTAINER_SECONDS)
    variables = {name: f"{url}{PREFIX}{token}" for name, url in cloud.surroundings.items()}
    return replace(container, environment={**variables, **container.environment})


def borrowed(cloud: Cloud, request: Request) -> Request:
    """Return a container's request to its own copy, without the token in its path.

    Storage clients that are led to an emulator send no credentials, so the address has them.

    Raises
    ------
    UnauthenticatedError
        If the token is not one of a container, or not for this bucket.
    """
    token, slash, rest = request.path.removeprefix(PREFIX).partition("/")
    try:
        scopes = cloud.tokens.caller(token).scopes
    except TokenError as error:
        raise UnauthenticatedError(f"The address of the storage is not valid: {error}") from error
    match = re.match(r"/(?:download/)?storage/v1/b/([^/]+)/o", slash + rest)
    if request.verb != "GET" or not match or _scope(match[1]) not in scopes:
        raise UnauthenticatedError("A container may only read the copy of its own model.")
    return replace(request, path=slash + rest, prefix=PREFIX + token)


def _scope(name: str) -> str:
    return f"bucket:{name}"


def _copy(cloud: Cloud, key: str, model: Path, uri: str) -> None:
    with suppress(ConflictError):
        cloud.store.make_bucket({"name": bucket(key)}, PROJECT)
    prefix = uri.removeprefix(f"gs://{bucket(key)}/")
    known = {record["name"]: record["size"] for record in cloud.store.list(bucket(key))}
    for file in _files(model):
        name = f"{prefix}/{file.relative_to(model).as_posix()}"
        if known.get(name) != str(file.stat().st_size):  # else: copied before a restart
            cloud.store.write(bucket(key), {"name": name}, file.read_bytes())


def take_back(cloud: Cloud, key: str) -> None:
    """Delete the copy, if there is one."""
    name = bucket(key)
    if name not in cloud.store.buckets:
        return
    with suppress(StorageError):  # what a full disk keeps goes with the next start
        for record in list(cloud.store.list(name)):
            cloud.store.delete(name, record["name"])
        cloud.store.delete_bucket(name)


def sweep(cloud: Cloud, keys: Collection[str]) -> None:
    """Delete the copies of all that is not deployed any more."""
    for name in list(cloud.store.buckets):
        key = name.removeprefix(bucket(""))
        if cloud.store.buckets[name]["projectNumber"] == PROJECT and key not in keys:
            take_back(cloud, key)


def _files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]
