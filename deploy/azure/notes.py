"""Notes as blobs of the workspace's storage, each written under the ETag it had.

Source: Blob service REST API, "Specifying conditional headers for Blob service operations".
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from azure.core import MatchConditions
from typing_extensions import override

from tridock.deploy.azure.bundles import Bundles
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.notes import Note, Notes

PREFIX = "tridock/notes/"


@dataclass(frozen=True)
class BlobNotes(Notes):
    """The notes in one workspace's storage."""

    bundles: Bundles

    @override
    def keys(self) -> Sequence[str]:
        with self.bundles.container("blobs:list") as container:
            found = list(container.list_blob_names(name_starts_with=PREFIX))
        return sorted(name.removeprefix(PREFIX) for name in found)

    @override
    def read(self, key: str) -> Note | None:
        with suppress(NotFoundError), self.bundles.container("blobs:download") as container:
            response = container.download_blob(PREFIX + key)
            return Note(key, response.readall(), str(response.properties.etag))
        return None

    @override
    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        condition: dict[str, Any] = {"overwrite": False}
        if over:
            condition = {"overwrite": True, **_unchanged(over)}
        with self.bundles.container("blobs:upload") as container:
            response = container.get_blob_client(PREFIX + key).upload_blob(body, **condition)
        return Note(key, body, str(response["etag"]))

    @override
    def remove(self, key: str, *, over: Note) -> None:
        with suppress(NotFoundError), self.bundles.container("blobs:delete") as container:
            container.delete_blob(PREFIX + key, **_unchanged(over))


def _unchanged(over: Note) -> dict[str, Any]:
    return {"etag": over.version, "match_condition": MatchConditions.IfNotModified}
