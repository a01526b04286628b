"""Notes as files of this machine, changed by one process at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from tridock.deploy.local.gate import alone, put
from tridock.deploy.target import names
from tridock.deploy.target.errors import ConflictError
from tridock.deploy.target.notes import Note, Notes


@dataclass(frozen=True)
class FileNotes(Notes):
    """The notes in one folder.

    Attributes
    ----------
    folder : Path
        Made when the first note is written.
    """

    folder: Path

    @override
    def keys(self) -> Sequence[str]:
        files = (path for path in self.folder.rglob("[!.]*") if path.is_file())
        keys = (path.relative_to(self.folder).as_posix() for path in files)
        return sorted(key for key in keys if names.is_key(key))

    @override
    def read(self, key: str) -> Note | None:
        try:
            body = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        return Note(key, body, hashlib.sha256(body).hexdigest())

    @override
    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        with alone(self.folder):
            self._demand(key, over)
            put(self._path(key), body)
        return Note(key, body, hashlib.sha256(body).hexdigest())

    @override
    def remove(self, key: str, *, over: Note) -> None:
        with alone(self.folder):
            if self.read(key) is not None:
                self._demand(key, over)
                self._path(key).unlink()

    def _path(self, key: str) -> Path:
        return self.folder / names.check("key of a note", key, names.KEY)

    def _demand(self, key: str, over: Note | None) -> None:
        note = self.read(key)
        if (note.version if note else None) != (over.version if over else None):
            raise ConflictError(f"{self._path(key)} was changed by somebody else meanwhile")
