"""Notes as objects of the bucket, each written under the generation it had.

Source: Cloud Storage documentation, "Request preconditions".
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tridock.deploy.gcp.errors import translated
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.notes import Note

PREFIX = "notes/"


@dataclass(frozen=True)
class ObjectNotes:
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

    def keys(self) -> Sequence[str]:
        """See `Notes.keys`."""
        with translated("storage:List"):
            found = list(self.client.list_blobs(self.bucket, prefix=PREFIX, retry=None))
        return sorted(blob.name.removeprefix(PREFIX) for blob in found)

    def read(self, key: str) -> Note | None:
        """See `Notes.read`."""
        blob = self._blob(key)
        with suppress(NotFoundError), translated("storage:Get"):
            body = blob.download_as_bytes(retry=None)
            return Note(key, body, str(blob.generation))
        return None

    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        """See `Notes.write`. Generation 0 says that there is no such object."""
        blob = self._blob(key)
        with translated("storage:Insert"):
            blob.upload_from_string(
                body, retry=None, if_generation_match=int(over.version) if over else 0
            )
        return Note(key, body, str(blob.generation))

    def remove(self, key: str, *, over: Note) -> None:
        """See `Notes.remove`."""
        with suppress(NotFoundError), translated("storage:Delete"):
            self._blob(key).delete(retry=None, if_generation_match=int(over.version))

    def _blob(self, key: str) -> Any:
        return self.client.bucket(self.bucket).blob(PREFIX + key)
