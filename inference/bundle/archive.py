"""Archives: the same content always gives the same bytes, and nothing escapes when unpacked."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from tridock.inference.errors import BundleError

#: Fixed, so that no machine's umask or compressor's default shows in the bytes.
MODE = 0o644
LEVEL = 6
READ_BYTES = 1 << 20


def pack(folder: Path, files: Iterable[str], archive: Path) -> Path:
    """Write `files` of `folder`, in their order, as a ``tar.gz`` that bears no trace of its maker.

    No times, owners or file name are kept: equal content gives equal bytes (with one zlib).
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pack-", dir=archive.parent) as scratch:
        made = Path(scratch) / "made"
        with made.open("wb") as raw:
            packed = gzip.GzipFile("", "wb", compresslevel=LEVEL, fileobj=raw, mtime=0)
            with packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for file in files:
                    _add(tar, folder / file, file)
        made.replace(archive)
    return archive


@dataclass(frozen=True)
class Limits:
    """Bounds of an archive that is unpacked.

    Attributes
    ----------
    total_bytes : int
        Bytes of all files together, unpacked.
    members : int
        Entries, directories among them.
    ratio : float
        Unpacked bytes for each packed one, once more than `ratio_from` bytes are unpacked.
    ratio_from : int
        Bytes up to which any ratio is accepted: small files may compress very well.
    header_bytes : int
        Bytes of the headers of one entry, which are held in memory.
    """

    total_bytes: int = 16 << 30
    members: int = 10_000
    ratio: float = 250.0
    ratio_from: int = 256 << 20
    header_bytes: int = 1 << 20


LIMITS = Limits()


def unpack(archive: Path, folder: Path, limits: Limits = LIMITS) -> None:
    """Unpack regular files and directories into the empty directory `folder`.

    Raises
    ------
    BundleError
        If it is no ``tar.gz``, exceeds a limit, or holds a link, a device, a path that leaves
        `folder`, or two entries of one name; or if the files cannot be written.
    """
    if not archive.is_file():
        raise BundleError(f"there is no archive {archive}")
    try:
        with archive.open("rb") as packed, gzip.GzipFile(fileobj=packed) as content:
            stream = _Stream(packed, content, limits)
            # Not `extractall(filter=…)`: Python 3.11 has it from 3.11.4 on only.
            with _opened(stream) as tar:
                _extract_all(tar, stream, folder)
            while stream.read(READ_BYTES):  # To its end, which holds the checksum.
                pass
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BundleError(f"{archive} is not a complete tar.gz: {error}") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        name = Path(error.filename).relative_to(folder)
        raise BundleError(
            f"{archive} holds more than one entry for {str(name)!r}: pack it again"
        ) from error
    except OSError as error:
        raise BundleError(f"{archive} cannot be unpacked into {folder}: {error}") from error


@dataclass
class _Stream:
    """The unpacked bytes of an archive, counted against the limits as they are read."""

    packed: IO[bytes]
    content: gzip.GzipFile
    limits: Limits
    count: int = 0
    header_end: int | None = None

    def read(self, size: int) -> bytes:
        """Read as a file does; `tarfile` needs no more of a stream."""
        data = self.content.read(size)
        self.count += len(data)
        if self.header_end is not None and self.count > self.header_end:
            raise _exceeded("headers of one entry", self.limits.header_bytes, "bytes")
        if self.count > self.limits.total_bytes:
            raise _exceeded("content", self.limits.total_bytes, "bytes")
        if self.count > self.limits.ratio_from:
            self._check_ratio()
        return data

    def _check_ratio(self) -> None:
        if self.count > self.limits.ratio * self.packed.tell():
            raise _exceeded("compression", self.limits.ratio, "unpacked bytes for each packed byte")

    @contextmanager
    def headers(self) -> Iterator[None]:
        """Hold what is read inside the block to the limit for headers."""
        self.header_end = self.count + self.limits.header_bytes
        yield
        self.header_end = None


def _exceeded(what: str, limit: float, unit: str) -> BundleError:
    return BundleError(
        f"the archive's {what} exceeds the limit of {limit:,.0f} {unit}: nothing was unpacked. If "
        "the archive is yours, unpack it with tar and pass the directory"
    )


def _extract_all(tar: tarfile.TarFile, stream: _Stream, folder: Path) -> None:
    written = members = 0
    while member := _next(tar, stream):
        members += 1
        if members > stream.limits.members:
            raise _exceeded("number of entries", stream.limits.members, "entries")
        written += member.size  # A sparse file is larger than what the archive holds of it.
        if written > stream.limits.total_bytes:
            raise _exceeded("content", stream.limits.total_bytes, "bytes")
        _extract(tar, member, folder)


def _opened(stream: _Stream) -> tarfile.TarFile:
    with stream.headers():  # It reads the first ones.
        return tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|")


def _next(tar: tarfile.TarFile, stream: _Stream) -> tarfile.TarInfo | None:
    with stream.headers():
        return tar.next()


def _add(tar: tarfile.TarFile, file: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = file.stat().st_size
    entry.mode = MODE
    with file.open("rb") as content:
        tar.addfile(entry, content)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = PurePosixPath(member.name)
    is_plain = (member.isfile() and path.parts) or member.isdir()
    if path.is_absolute() or ".." in path.parts or "\0" in member.name or not is_plain:
        raise BundleError(f"the archive's entry {member.name!r} is not a plain file within it")
    to = folder / path
    if member.isdir():
        to.mkdir(parents=True, exist_ok=True)
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is not None:
        with content, to.open("xb") as written:
            shutil.copyfileobj(content, written, READ_BYTES)
        to.chmod(MODE)
