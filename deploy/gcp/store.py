"""Bundles in Cloud Storage: one folder for each digest, and marks that say who uses it.

``bundles/<digest>/model/…`` lies beside ``bundles/<digest>/used-by/<endpoint>--<deployment>``,
an object for each model version made of it, whose content is the location where that is: one bucket
may serve several. A bundle without marks is unused. The registry's files lie apart, in
``registered/<digest>/model/…``, and notes in ``notes/``.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from tridock.deploy.gcp.errors import translated
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.notes import Note, Notes
from tridock.inference.bundle.bundle import Bundle, replaced
from tridock.inference.bundle.manifest import MANIFEST, Manifest

PREFIX = "bundles/"
REGISTERED = "registered/"


@dataclass(frozen=True)
class Store:
    """The bundles of one bucket.

    Attributes
    ----------
    client : google.cloud.storage.Client
        Cloud Storage.
    bucket : str
        Its name.
    location : str
        Where those are that use its bundles.
    """

    client: Any
    bucket: str
    location: str = ""

    def upload(self, bundle: Bundle) -> str:
        """Store a bundle under its digest, unless it is there, and return its URI."""
        return self._store(bundle, f"{PREFIX}{bundle.digest}/model")

    def keep(self, bundle: Bundle) -> str:
        """Store a bundle for the registry, where `release` removes nothing, and return its URI."""
        return self._store(bundle, f"{REGISTERED}{bundle.digest}/model")

    def fetch(self, address: str, folder: Path) -> None:
        """Copy a stored bundle into a folder that is empty or not there.

        Raises
        ------
        NotFoundError
            If it is gone.
        """
        bucket, _, path = address.removeprefix("gs://").partition("/")
        with replaced(folder) as draft, translated("storage:Get"):
            blobs = list(self.client.list_blobs(bucket, prefix=f"{path}/", retry=None))
            if not blobs:
                raise NotFoundError(f"there is no bundle at {address}")
            for blob in blobs:
                file = draft / blob.name.removeprefix(f"{path}/")
                file.parent.mkdir(parents=True, exist_ok=True)
                blob.download_to_filename(str(file), retry=None)

    def manifest(self, address: str) -> Manifest:
        """Read the manifest of a stored bundle."""
        bucket, _, path = address.removeprefix("gs://").partition("/")
        with translated("storage:Get"):
            blob = self.client.bucket(bucket).blob(f"{path}/{MANIFEST}")
            return Manifest.from_json(blob.download_as_text(retry=None))

    def mark(self, digest: str, user: str) -> None:
        """Note that a model version uses a bundle."""
        blob = self._blob(f"{PREFIX}{digest}/used-by/{user}")
        with translated("storage:Insert"):
            blob.upload_from_string(self.location.encode(), retry=None)

    def release(self, prefix: str, used: Container[str]) -> None:
        """Remove the marks that begin with `prefix` and are not in `used`.

        Bundles that lose their last mark by that go with it.
        """
        with suppress(NotFoundError):  # no bucket holds no bundles
            names = self._names()
            stale = {name for name in names if self._is_stale(name, prefix, used)}
            touched = {name.split("/")[1] for name in stale}
            kept = {n.split("/")[1] for n in names if "/used-by/" in n and n not in stale}
            orphans = {name for name in names if name.split("/")[1] in touched - kept}
            # Without its manifest, what is left of a bundle is no bundle.
            for name in sorted(stale | orphans, key=lambda one: (not one.endswith(MANIFEST), one)):
                with suppress(NotFoundError), translated("storage:Delete"):
                    self._blob(name).delete(retry=None)

    def _store(self, bundle: Bundle, folder: str) -> str:
        """Store a bundle; the manifest goes last: where it exists, all else does."""
        if not self._has(f"{folder}/{MANIFEST}"):
            files = [path for path in bundle.path.rglob("*") if path.is_file()]
            for path in sorted(files, key=lambda path: path.name == MANIFEST):
                name = f"{folder}/{path.relative_to(bundle.path).as_posix()}"
                with translated("storage:Insert"):
                    self._blob(name).upload_from_filename(str(path), retry=None)
        return f"gs://{self.bucket}/{folder}"

    @staticmethod
    def _is_stale(name: str, prefix: str, used: Container[str]) -> bool:
        user = name.partition("/used-by/")[2]
        return user.startswith(prefix) and user not in used

    def _names(self) -> list[str]:
        with translated("storage:List"):
            blobs = self.client.list_blobs(self.bucket, prefix=PREFIX, retry=None)
            return [blob.name for blob in blobs]

    def _has(self, name: str) -> bool:
        with translated("storage:Get"):
            return bool(self._blob(name).exists(retry=None))

    def _blob(self, name: str) -> Any:
        return self.client.bucket(self.bucket).blob(name)


# Notes as objects of the bucket, each written under the generation it had.

NOTES = "notes/"


@dataclass(frozen=True)
class ObjectNotes(Notes):
    """The notes in one bucket.

    Attributes
    ----------
    client : google.cloud.storage.Client
        Cloud Storage.
    bucket : str
        Its name.
    """

    client: Any
    bucket: str

    @override
    def keys(self) -> Sequence[str]:
        with translated("storage:List"):
            blobs = list(self.client.list_blobs(self.bucket, prefix=NOTES, retry=None))
        return sorted(blob.name.removeprefix(NOTES) for blob in blobs)

    @override
    def read(self, key: str) -> Note | None:
        blob = self._blob(key)
        with suppress(NotFoundError), translated("storage:Get"):
            body = blob.download_as_bytes(retry=None)
            return Note(key, body, str(blob.generation))
        return None

    @override
    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        # Generation 0 says that there is no such object.
        blob = self._blob(key)
        with translated("storage:Insert"):
            blob.upload_from_string(
                body, retry=None, if_generation_match=int(over.version) if over else 0
            )
        return Note(key, body, str(blob.generation))

    @override
    def remove(self, key: str, *, over: Note) -> None:
        with suppress(NotFoundError), translated("storage:Delete"):
            self._blob(key).delete(retry=None, if_generation_match=int(over.version))

    def _blob(self, key: str) -> Any:
        return self.client.bucket(self.bucket).blob(NOTES + key)
