"""Journal of a job: what is safe on disk, so that it can go on after a kill at any moment.

Beside ``OUT`` is the folder ``OUT.partial``: the output so far, and a journal. Bytes
count once the journal says so, and it says so once they are on the disk; what a kill left after
them is cut off.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from tridock.inference.batch.chunk import Position
from tridock.inference.errors import BatchError, ResumeError

JOURNAL = "journal.jsonl"
OUTPUT, FOOTERS, ERRORS = "output", "footers", "errors"
#: The files that grow.
GROWING = (OUTPUT, FOOTERS, ERRORS)


@dataclass(frozen=True)
class Mark:
    """Position of a job.

    Attributes
    ----------
    position : Position
        The place in the input before which every row is written.
    rows, refused : int
        Rows that were predicted, and rows that did not fit.
    sizes : Mapping[str, int]
        Bytes of each file that grows.
    complete : bool
        Whether the output is complete and has only to be put into its place.
    """

    position: Position = field(default_factory=Position)
    rows: int = 0
    refused: int = 0
    sizes: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(GROWING, 0))
    complete: bool = False

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Mark:
        """Read what ``asdict`` made."""
        return cls(**{**record, "position": Position(**record["position"])})


class Journal:
    """The folder of an unfinished job, held by one process at a time.

    Attributes
    ----------
    folder : Path
        ``OUT.partial``.
    mark : Mark
        How far the job is, safely.
    """

    def __init__(self, folder: Path, lock: IO[bytes], mark: Mark) -> None:
        self.folder = folder
        self.mark = mark
        self._log = lock
        self._sizes = dict(mark.sizes)
        # Of a complete job a file may be in its place already.
        names = [name for name in GROWING if not mark.complete or (folder / name).exists()]
        self._files = {name: (folder / name).open("r+b") for name in names}
        for name, opened in self._files.items():
            opened.truncate(mark.sizes[name])
            opened.seek(0, os.SEEK_END)

    @property
    def begun(self) -> bool:
        """True if anything is written yet."""
        return any(self._sizes.values())

    @property
    def unsafe(self) -> int:
        """Number of bytes written since the last mark."""
        return sum(self._sizes.values()) - sum(self.mark.sizes.values())

    def write(self, name: str, data: Any) -> None:
        """Put bytes at the end of one of the files that grow."""
        self._files[name].write(data)
        self._sizes[name] += len(data)

    def commit(self, mark: Mark) -> None:
        """Make all that was written safe, and note how far the job is."""
        for opened in self._files.values():
            opened.flush()
            os.fsync(opened.fileno())
        self.mark = replace(mark, sizes=dict(self._sizes))
        self._log.write(json.dumps(asdict(self.mark)).encode() + b"\n")
        self._log.flush()
        os.fsync(self._log.fileno())

    def read(self, name: str) -> bytes:
        """Return what is safe of one of the files that grow."""
        return (self.folder / name).read_bytes()[: self.mark.sizes[name]]

    def close(self) -> None:
        """Close the files, safe or not."""
        for opened in self._files.values():
            opened.close()

    def finish(self, places: Mapping[str, Path]) -> None:
        """Put complete files into their places, each at once, and remove the folder.

        A kill in between leaves the rest of it to the next run.
        """
        self.close()
        for name, place in places.items():
            if (self.folder / name).exists():
                (self.folder / name).replace(place)
                sync(place.parent)
        # The journal goes last: as long as it exists, the next run knows what is left to do.
        for name in GROWING:
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder)
        sync(self.folder.parent)


@contextlib.contextmanager
def opened(folder: Path, identity: Mapping[str, Any]) -> Iterator[Journal]:
    """Open the journal of a job, or begin it.

    Parameters
    ----------
    folder : Path
        ``OUT.partial``; made if it is not there.
    identity : Mapping[str, Any]
        All that the output's bytes depend on, JSON-ready.

    Raises
    ------
    ResumeError
        If the folder holds another job; the message says in what they differ.
    BatchError
        If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / JOURNAL).open("a+b") as log:
        _lock(log, folder)
        marks = _read(log)
        if marks:
            _compare(folder, marks[0], json.loads(json.dumps(identity)))
        else:
            _begin(folder, log, identity)
        journal = Journal(folder, log, Mark.from_record(marks[-1]) if len(marks) > 1 else Mark())
        try:
            yield journal
        finally:
            journal.close()


def discard(folder: Path) -> None:
    """Forget an unfinished job, if there is one.

    Raises
    ------
    BatchError
        If another process works on it.
    """
    if folder.exists():
        with (folder / JOURNAL).open("a+b") as log:
            _lock(log, folder)
            shutil.rmtree(folder)


def sync(folder: Path) -> None:
    """Make a folder's names safe: a rename is not, until its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(log: IO[bytes], folder: Path) -> None:
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BatchError(f"another process works on {folder}: wait for it, or end it") from None


def _read(log: IO[bytes]) -> list[Any]:
    """Return the journal's whole lines, and cut off one that a kill left unfinished."""
    log.seek(0)
    text = log.read()
    whole = text[: text.rfind(b"\n") + 1]
    log.truncate(len(whole))
    return [json.loads(line) for line in whole.splitlines()]


def _begin(folder: Path, log: IO[bytes], identity: Mapping[str, Any]) -> None:
    for name in GROWING:
        (folder / name).write_bytes(b"")
    log.write(json.dumps(identity).encode() + b"\n")
    log.flush()
    os.fsync(log.fileno())
    sync(folder)
    sync(folder.parent)


def _compare(folder: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    differing = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    if differing:
        key = differing[0]
        raise ResumeError(
            f"{folder} holds an unfinished job that differs in its {key}: it was "
            f"{_brief(then.get(key))} and is {_brief(now.get(key))}. Ask for the same again to go "
            "on with it, or add --restart to forget it"
        )


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
