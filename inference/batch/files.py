"""Files that a job reads and writes: formats by their names, and identities."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tridock.inference.errors import BatchError

#: Bytes of each end of a file that distinguish it from another one of the same size and time.
SAMPLED_BYTES = 1 << 16


class Format(enum.Enum):
    """Format of the rows of a file."""

    CSV = "CSV"
    LINES = "JSON Lines"
    PARQUET = "Parquet"


SUFFIXES = {
    ".csv": Format.CSV,
    ".jsonl": Format.LINES,
    ".ndjson": Format.LINES,
    ".parquet": Format.PARQUET,
}


@dataclass(frozen=True)
class File:
    """One file and what its name says of it.

    Attributes
    ----------
    path : Path
        Its path.
    format : Format
        How its rows are written.
    gzipped : bool
        Whether the name ends with ``.gz``.
    """

    path: Path
    format: Format
    gzipped: bool

    @classmethod
    def of(cls, path: Path) -> File:
        """Read a file's name.

        Raises
        ------
        BatchError
            If it ends with none of the suffixes that are known.
        """
        gzipped = path.suffix.lower() == ".gz"
        name = path.with_suffix("") if gzipped else path
        kind = SUFFIXES.get(name.suffix.lower())
        if kind is None or (gzipped and kind is Format.PARQUET):
            raise BatchError(
                f"{path} has no known suffix: name it .csv, .jsonl or .ndjson (.gz may follow), "
                "or .parquet"
            )
        return cls(path, kind, gzipped)

    @property
    def size(self) -> int:
        """Size on disk, in bytes."""
        return self.path.stat().st_size

    def identity(self) -> dict[str, Any]:
        """Return what changes when the file does: name, size, time, and a digest of its ends."""
        stat = self.path.stat()
        with self.path.open("rb") as opened:
            ends = opened.read(SAMPLED_BYTES)
            opened.seek(max(0, stat.st_size - SAMPLED_BYTES))
            ends += opened.read()
        digest = hashlib.sha256(ends).hexdigest()
        return {
            "file": str(self.path),
            "bytes": stat.st_size,
            "changed": stat.st_mtime_ns,
            "ends": digest,
        }


def inputs(paths: Iterable[Path]) -> tuple[File, ...]:
    """Return the files to read, in order; of a folder, those with a known suffix, by name.

    Raises
    ------
    BatchError
        If there are none, one is missing, or they are of several formats.
    """
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise BatchError("there is nothing to read: no file has a known suffix")
    if len({file.format for file in files}) > 1:
        kinds = ", ".join(sorted({file.format.value for file in files}))
        raise BatchError(f"the input is of several formats ({kinds}): give one at a time")
    return tuple(files)


def _files(path: Path) -> list[File]:
    if path.is_dir():
        named = sorted(each for each in path.iterdir() if each.is_file())
        return [File.of(each) for each in named if _is_known(each)]
    if not path.is_file():
        raise BatchError(f"there is no file {path}")
    return [File.of(path)]


def _is_known(path: Path) -> bool:
    if path.name.startswith((".", "_")):
        return False
    try:
        File.of(path)
    except BatchError:
        return False
    return True
