"""Bundles as folders of the workspace's blob storage, for services that know no models.

A bundle is ``tridock/bundles/<digest>/model/…`` beside an empty mark for each that uses it;
notes are in ``tridock/notes/``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.core import MatchConditions
from azure.storage.blob import ContainerClient
from typing_extensions import override

from tridock.deploy.azure.account import ONCE, Account
from tridock.deploy.azure.errors import translated
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.hosts import trusted
from tridock.deploy.target.notes import Note, Notes
from tridock.inference.bundle.bundle import Bundle, replaced
from tridock.inference.bundle.manifest import MANIFEST
from tridock.inference.cloud_hosts import AZURE_BLOBS

PREFIX = "tridock/bundles/"
DATASTORE = "/datastores/workspaceblobstore"


@dataclass(frozen=True)
class Bundles:
    """The bundles in one workspace's storage."""

    account: Account

    def upload(self, bundle: Bundle) -> str:
        """Store a bundle under its digest, unless it is there, and return its address."""
        return self.store(bundle, f"{PREFIX}{bundle.digest}/model")

    def store(self, bundle: Bundle, folder: str) -> str:
        """Store a bundle in a folder, unless it is there, and return its address.

        The manifest goes last: where it exists, all else does.
        """
        with self.container("blobs:upload") as container:
            if not container.get_blob_client(f"{folder}/{MANIFEST}").exists():
                files = [path for path in bundle.path.rglob("*") if path.is_file()]
                for path in sorted(files, key=lambda path: path.name == MANIFEST):
                    name = f"{folder}/{path.relative_to(bundle.path).as_posix()}"
                    container.upload_blob(name, path.read_bytes(), overwrite=True)
            return f"{container.url.partition('?')[0]}/{folder}"

    def fetch(self, folder: str, to: Path) -> None:
        """Copy what is stored in a folder into one that is empty or not there.

        Raises
        ------
        NotFoundError
            If nothing is stored there.
        """
        with replaced(to) as draft, self.container("blobs:download") as container:
            names = list(container.list_blob_names(name_starts_with=f"{folder}/"))
            if not names:
                raise NotFoundError(f"there is no bundle at {folder}")
            for name in names:
                file = draft / name.removeprefix(f"{folder}/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(container.download_blob(name).readall())

    def mark(self, digest: str, user: str) -> None:
        """Note that `user` runs a bundle."""
        with self.container("blobs:upload") as container:
            container.upload_blob(f"{PREFIX}{digest}/used-by/{user}", b"", overwrite=True)

    def release(self, prefix: str, used: Collection[str]) -> None:
        """Remove the marks that begin with `prefix` and are not in `used`.

        Bundles that lose their last mark by that go with it.
        """
        with self.container("blobs:delete") as container:
            names = list(container.list_blob_names(name_starts_with=PREFIX))
            for name in sorted(_leaving(names, prefix, used), key=_manifest_first):
                with suppress(NotFoundError), translated("blobs:delete"):
                    container.delete_blob(name)

    def remove(self, folder: str) -> None:
        """Remove what is stored in a folder. Absent is success."""
        with self.container("blobs:delete") as container:
            names = list(container.list_blob_names(name_starts_with=f"{folder}/"))
            for name in sorted(names, key=_manifest_first):
                with suppress(NotFoundError), translated("blobs:delete"):
                    container.delete_blob(name)

    def remove_one(self, name: str) -> None:
        """Remove one blob. Absent is success."""
        with suppress(NotFoundError), self.container("blobs:delete") as container:
            container.delete_blob(name)

    @contextmanager
    def container(self, operation: str) -> Iterator[Any]:
        """Open the blob container of the workspace's default datastore, for one operation."""
        about = self.account.call("GET", DATASTORE)["properties"]
        key: Any = self.account.credential  # where the datastore keeps no secret
        if about.get("credentials", {}).get("credentialsType") != "None":
            key = self.account.call("POST", f"{DATASTORE}/listSecrets", {})["sasToken"]
        host = f"https://{about['accountName']}.blob.{about['endpoint']}"
        address = trusted(host, AZURE_BLOBS, operation=operation)
        with (
            translated(operation),
            ContainerClient(address, about["containerName"], key, **ONCE) as container,
        ):
            yield container


def _leaving(names: Collection[str], prefix: str, used: Collection[str]) -> set[str]:
    users = {name: name.partition("/used-by/")[2] for name in names}
    stale = {name for name, user in users.items() if user.startswith(prefix) and user not in used}
    touched = {_digest(name) for name in stale}
    kept = {_digest(name) for name, user in users.items() if user and name not in stale}
    return stale | {name for name in names if _digest(name) in touched - kept}


def _manifest_first(name: str) -> tuple[bool, str]:
    """Order what is removed: without its manifest, what is left of a bundle is no bundle."""
    return not name.endswith(f"/{MANIFEST}"), name


def _digest(name: str) -> str:
    return name.removeprefix(PREFIX).partition("/")[0]


# Notes as blobs of the workspace's storage, each written under the ETag it had.

NOTES = "tridock/notes/"


@dataclass(frozen=True)
class BlobNotes(Notes):
    """The notes in one workspace's storage."""

    bundles: Bundles

    @override
    def keys(self) -> Sequence[str]:
        with self.bundles.container("blobs:list") as container:
            listed = list(container.list_blob_names(name_starts_with=NOTES))
        return sorted(name.removeprefix(NOTES) for name in listed)

    @override
    def read(self, key: str) -> Note | None:
        with suppress(NotFoundError), self.bundles.container("blobs:download") as container:
            response = container.download_blob(NOTES + key)
            return Note(key, response.readall(), str(response.properties.etag))
        return None

    @override
    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        condition: dict[str, Any] = {"overwrite": False}
        if over:
            condition = {"overwrite": True, **_unchanged(over)}
        with self.bundles.container("blobs:upload") as container:
            response = container.get_blob_client(NOTES + key).upload_blob(body, **condition)
        return Note(key, body, str(response["etag"]))

    @override
    def remove(self, key: str, *, over: Note) -> None:
        with suppress(NotFoundError), self.bundles.container("blobs:delete") as container:
            container.delete_blob(NOTES + key, **_unchanged(over))


def _unchanged(over: Note) -> dict[str, Any]:
    return {"etag": over.version, "match_condition": MatchConditions.IfNotModified}
