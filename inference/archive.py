"""Archives: the same content always gives the same bytes, and nothing escapes when unpacked."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from inference.errors import BundleError

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


def unpack(archive: Path, folder: Path) -> None:
    """Unpack regular files and directories into `folder`.

    Raises
    ------
    BundleError
        If it is no ``tar.gz``, or holds a link, a device, or a path that leaves `folder`.
    """
    try:
        with gzip.open(archive) as content, tarfile.open(fileobj=content, mode="r:") as tar:
            for member in tar:
                _extract(tar, member, folder)
            while content.read(READ_BYTES):  # To its end, where the checksum stands.
                pass
    except FileNotFoundError:
        raise BundleError(f"there is no archive {archive}") from None
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BundleError(f"{archive} is not a complete tar.gz: {error}") from error


def _add(tar: tarfile.TarFile, file: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = file.stat().st_size
    entry.mode = MODE
    with file.open("rb") as content:
        tar.addfile(entry, content)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise BundleError(f"the archive's entry {member.name!r} is not a plain file within it")
    to = folder / path
    if member.isdir():
        to.mkdir(parents=True, exist_ok=True)
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is not None:
        with content, to.open("wb") as written:
            shutil.copyfileobj(content, written)
        to.chmod(MODE)
