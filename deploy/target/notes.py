"""Notes beside the artifacts, in the target's own storage, written only over what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Note:
    """A small document with its content at the time of a read or write.

    Attributes
    ----------
    key : str
        Its path, e.g. ``"locks/iris.json"``: ``a-z``, ``0-9``, ``-``, ``.`` and ``/``.
    body : bytes
        Its content, a few kilobytes at most.
    version : str
        The storage's own name of this state: an ETag, a generation. It changes with the body;
        storage that names a state by its content names equal bodies alike.
    """

    key: str
    body: bytes
    version: str


class Notes(Protocol):
    """Small documents that several may write, and none overwrites unseen.

    ``tests/contract`` states what each target's must do. A note that is written twice with the
    same body may not be distinguished: put a time or a number into what has to be.
    """

    def keys(self) -> Sequence[str]:
        """Return the keys of all notes, in alphabetical order."""
        ...

    def read(self, key: str) -> Note | None:
        """Return the present note, None if there is none; never an older one."""
        ...

    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        """Write the note in the place of `over`; None: there must be none.

        Raises
        ------
        ConflictError
            If another note is there: its writer came first.
        """
        ...

    def remove(self, key: str, *, over: Note) -> None:
        """Remove the note if it still is `over`. Absent is success.

        Raises
        ------
        ConflictError
            If another note is there.
        """
        ...
