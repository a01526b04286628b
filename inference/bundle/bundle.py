"""The bundle: a model, what is known about it, and the digests that hold them together."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tridock.inference.bundle import archive
from tridock.inference.bundle.manifest import MANIFEST, Manifest
from tridock.inference.errors import (
    BundleError,
    BundleMissingError,
    TamperedError,
    TargetFolderError,
)


@dataclass(frozen=True)
class Bundle:
    """A directory with ``manifest.json`` and exactly the files it lists.

    Attributes
    ----------
    path : Path
        The directory.
    manifest : Manifest
        What it holds.
    """

    path: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The model's version."""
        return self.manifest.version

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the manifest, and so over every file: the bundle's identity."""
        return self.manifest.digest

    @classmethod
    def read(cls, path: Path) -> Bundle:
        """Read a bundle and check every file; nothing in it is executed.

        Raises
        ------
        BundleMissingError
            If there is no manifest at `path`.
        TamperedError
            If a file is missing, altered, or not listed.
        BundleError
            If the manifest cannot be read; `VersionError` if its format is not ours.
        """
        bundle = cls(path, Manifest.from_json(_manifest_text(path)))
        _verify(path, bundle.manifest)
        return bundle

    def pack(self, archive_file: Path) -> Path:
        """Write it as a ``tar.gz``, byte for byte the same for the same content.

        Parameters
        ----------
        archive_file : Path
            File to write, replaced at once when complete; its directory is made.

        Returns
        -------
        Path
            `archive_file`.
        """
        return archive.pack(self.path, sorted([MANIFEST, *self.manifest.files]), archive_file)

    @classmethod
    def unpack(cls, archive_file: Path, to: Path) -> Bundle:
        """Unpack what `pack` wrote into the directory `to`, and read it.

        Raises
        ------
        BundleError
            As for `read`, or if the archive is none, or `to` holds something else than a bundle.
        """
        with replaced(to) as folder:
            archive.unpack(archive_file, folder)
            manifest = cls.read(folder).manifest
        return cls(to, manifest)


@contextlib.contextmanager
def replaced(to: Path) -> Iterator[Path]:
    """Give an empty directory that becomes `to` if all goes well, and vanishes if not.

    Raises
    ------
    TargetFolderError
        If `to` is a file, or a directory that is neither empty nor a bundle, or lies below a file.
    """
    if to.exists() and not (to.is_dir() and (_is_empty(to) or (to / MANIFEST).is_file())):
        raise TargetFolderError(
            f"{to} is neither empty nor a bundle: nothing was written, choose another"
        )
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetFolderError(
            f"{to.parent} cannot be made: {error}; choose another place"
        ) from error
    with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as scratch:
        made, former = Path(scratch) / "made", Path(scratch) / "former"
        made.mkdir(mode=0o755)
        yield made
        if to.exists():
            to.rename(former)
        made.rename(to)


def sha256(file: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def listing(path: Path) -> dict[str, str]:
    """Return relative path and digest of every file in a directory but the manifest."""
    return {file: sha256(path / file) for file in sorted(_files(path) - {MANIFEST})}


def _manifest_text(path: Path) -> str:
    try:
        return (path / MANIFEST).read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        raise BundleMissingError(
            f"{path} has no {MANIFEST}, so it is no bundle: make one with `tridock package`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path / MANIFEST} cannot be read: {error}") from error


def _verify(path: Path, manifest: Manifest) -> None:
    present = _files(path) - {MANIFEST}
    if missing := sorted(set(manifest.files) - present):
        raise TamperedError(f"{missing[0]} is listed in {MANIFEST} but missing from {path}")
    if extra := sorted(present - set(manifest.files)):
        raise TamperedError(f"{extra[0]} stands in {path} but is not listed in {MANIFEST}")
    for file, digest in manifest.files.items():
        if sha256(path / file) != digest:
            raise TamperedError(
                f"{file} in {path} changed after packaging: its SHA-256 differs from {MANIFEST}. "
                "Package the model again, or copy the bundle anew."
            )


def _files(path: Path) -> set[str]:
    return {file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir()}


def _is_empty(path: Path) -> bool:
    return not any(path.iterdir())
