"""Model data in the emulated S3: read, written, and unpacked for a container."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeKey, s3_backends

from tridock.inference.bundle.archive import unpack
from tridock.inference.errors import BundleError

_URI = re.compile(r"(?:s3://|https://s3[.\w-]*\.amazonaws\.com/)([^/]+)/?(.*)")


class MissingDataError(LookupError):
    """No object is at the requested address `uri`."""


class BrokenArchiveError(ValueError):
    """The object is not a tar.gz that may be unpacked."""


def address(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key.

    Raises
    ------
    MissingDataError
        If it is no S3 address.
    """
    match = _URI.fullmatch(uri)
    if not match:
        raise MissingDataError(uri)
    return match[1], match[2]


def read(account: str, uri: str) -> bytes:
    """Return the object at `uri`.

    Raises
    ------
    MissingDataError
        If there is none.
    """
    key = _key(account, uri)
    if key is None:
        raise MissingDataError(uri)
    return bytes(key.value)


def write(account: str, uri: str, data: bytes, *, content_type: str | None = None) -> None:
    """Put an object at `uri`.

    Raises
    ------
    MissingDataError
        If its bucket does not exist.
    """
    bucket, key = address(uri)
    try:
        made = s3_backends[account]["aws"].put_object(bucket, key, data)
    except S3ClientError:
        raise MissingDataError(uri) from None
    if content_type:
        made.set_metadata({"Content-Type": content_type})


def exists(account: str, uri: str) -> bool:
    """Return whether an object, or anything below the prefix `uri`, exists."""
    return _key(account, uri) is not None or bool(_below(account, uri))


def source(container: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Return the address of a container's model data and if it is an archive; None without any.

    ``ModelDataUrl`` is always a tar.gz; ``ModelDataSource`` says so in ``CompressionType``
    (API reference, ContainerDefinition and S3ModelDataSource).
    """
    if container.get("ModelDataUrl"):
        return container["ModelDataUrl"], True
    given = (container.get("ModelDataSource") or {}).get("S3DataSource")
    return (given["S3Uri"], given["CompressionType"] == "Gzip") if given else None


def fetch(account: str, container: Mapping[str, Any], to: Path) -> None:
    """Bring a container's model data into the directory `to`.

    Raises
    ------
    MissingDataError
        If no object is at its address.
    BrokenArchiveError
        If it should be a tar.gz and is none, or reaches outside of `to`.
    """
    location = source(container)
    if not location:
        return
    uri, is_archive = location
    if is_archive:
        _unpack(account, uri, to)
    else:
        _copy(account, uri, to)


def _unpack(account: str, uri: str, to: Path) -> None:
    archive = to.parent / "model.tar.gz"
    archive.write_bytes(read(account, uri))
    try:
        unpack(archive, to)
    except BundleError as error:
        raise BrokenArchiveError(str(error)) from error
    finally:
        archive.unlink()


def _copy(account: str, uri: str, to: Path) -> None:
    _, prefix = address(uri)
    single = _key(account, uri)
    keys = _below(account, uri) or ([single] if single else [])
    if not keys:
        raise MissingDataError(uri)
    for key in keys:
        if key.name.endswith("/"):  # The console's mark of an empty folder.
            continue
        name = key.name.removeprefix(prefix).lstrip("/") or PurePosixPath(key.name).name
        target = (to / name).resolve()
        if not target.is_relative_to(to.resolve()):
            raise BrokenArchiveError(f"{key.name!r} leaves the model's directory")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(key.value)
        except OSError as error:  # E.g. both `a` and `a/b`: no directory can hold them.
            raise BrokenArchiveError(f"{key.name!r} cannot be written: {error}") from error


def _key(account: str, uri: str) -> FakeKey | None:
    bucket, key = address(uri)
    try:
        return s3_backends[account]["aws"].get_object(bucket, key) if key else None
    except S3ClientError:
        return None


def _below(account: str, uri: str) -> list[FakeKey]:
    bucket, prefix = address(uri)
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""
    try:
        keys = s3_backends[account]["aws"].get_bucket(bucket).keys
    except S3ClientError:
        return []
    return [key for name, key in list(keys.items()) if name.startswith(prefix)]
