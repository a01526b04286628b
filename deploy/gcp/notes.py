"""Notes as objects of the bucket, each written under the generation it had.

Source: Cloud Storage documentation, "Request preconditions".
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from tridock.deploy.gcp.errors import translated
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.notes import Note, Notes

PREFIX = "notes/"


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
            found = list(self.client.list_blobs(self.bucket, prefix=PREFIX, retry=None))
        return sorted(blob.name.removeprefix(PREFIX) for blob in found)

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
        return self.client.bucket(self.bucket).blob(PREFIX + key)
