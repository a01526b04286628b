"""Buckets and objects: records in memory, bytes on disk, every change under preconditions."""

from __future__ import annotations

import base64
import hashlib
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import google_crc32c

from emulators.gcp.storage.errors import (
    BadRequestError,
    ConditionNotMetError,
    ConflictError,
    NotModifiedError,
    ObjectNotFoundError,
)

Record: TypeAlias = dict[str, Any]

#: Fields of an object that a client may set (Cloud Storage JSON API, "Objects: insert").
SETTABLE = (
    "metadata",
    "contentType",
    "contentEncoding",
    "contentDisposition",
    "contentLanguage",
    "cacheControl",
    "customTime",
    "storageClass",
)


@dataclass(frozen=True)
class Conditions:
    """Preconditions of one call ("Request preconditions" of Cloud Storage).

    Attributes
    ----------
    generation, metageneration : str or None
        What the object must have; generation ``"0"``: there must be none.
    not_generation, not_metageneration : str or None
        What it must not have.
    """

    generation: str | None = None
    not_generation: str | None = None
    metageneration: str | None = None
    not_metageneration: str | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, str], prefix: str = "if") -> Conditions:
        """Read them from the query; `prefix` is ``"ifSource"`` for a copy's source."""
        kinds = "Generation", "Metageneration"
        names = [f"{prefix}{kind}{test}" for kind in kinds for test in ("Match", "NotMatch")]
        return cls(*(parameters.get(name) for name in names))

    def check(self, record: Record | None) -> None:
        """Raise unless an object (None: there is none) meets them.

        Raises
        ------
        ConditionNotMetError
            If one that must hold does not (412).
        NotModifiedError
            If one that must not hold does (304).
        """
        generation = record["generation"] if record else "0"
        metageneration = record["metageneration"] if record else "0"
        if self.generation not in (None, generation):
            raise ConditionNotMetError("ifGenerationMatch", self.generation, generation)
        if self.metageneration not in (None, metageneration):
            raise ConditionNotMetError("ifMetagenerationMatch", self.metageneration, metageneration)
        if generation == self.not_generation or metageneration == self.not_metageneration:
            raise NotModifiedError


class Store:
    """All buckets of one emulated cloud.

    Parameters
    ----------
    folder : Path
        Where the bytes stand; emptied at start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self.buckets: dict[str, Record] = {}
        self._objects: dict[tuple[str, str], Record] = {}
        self.clear()

    def clear(self) -> None:
        """Forget every bucket and object."""
        with self._lock:
            self.buckets.clear()
            self._objects.clear()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)

    def make_bucket(self, record: Record, project: str) -> Record:
        """Make a bucket of the given settings.

        Raises
        ------
        ConflictError
            If there is one of that name.
        """
        name = record["name"]
        with self._lock:
            if name in self.buckets:
                raise ConflictError(
                    "Your previous request to create the named bucket succeeded "
                    f"and you already own it. ({name})"
                )
            self.buckets[name] = _new_bucket(record, project)
            return self.buckets[name]

    def bucket(self, name: str) -> Record:
        """Return a bucket.

        Raises
        ------
        ObjectNotFoundError
            If there is none of that name.
        """
        if name not in self.buckets:
            raise ObjectNotFoundError("The specified bucket does not exist.")
        return self.buckets[name]

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket.

        Raises
        ------
        ConflictError
            If it holds objects.
        """
        with self._lock:
            self.bucket(name)
            if next(self.list(name), None):
                raise ConflictError("The bucket you tried to delete is not empty.")
            del self.buckets[name]

    def list(self, bucket: str, prefix: str = "") -> Iterator[Record]:
        """Yield the objects of a bucket by name, in order."""
        self.bucket(bucket)
        for key in sorted(self._objects):
            if key[0] == bucket and key[1].startswith(prefix):
                yield self._objects[key]

    def get(self, bucket: str, name: str, conditions: Conditions = Conditions()) -> Record:
        """Return an object's record.

        Raises
        ------
        ObjectNotFoundError
            If there is none, or not of that generation.
        """
        self.bucket(bucket)
        record = self._objects.get((bucket, name))
        if record is None:
            raise ObjectNotFoundError(f"No such object: {bucket}/{name}")
        conditions.check(record)
        return record

    def read(self, record: Record) -> bytes:
        """Return an object's bytes."""
        return self._path(record).read_bytes()

    def write(
        self,
        bucket: str,
        settings: Record,
        data: bytes,
        *,
        conditions: Conditions = Conditions(),
    ) -> Record:
        """Write an object, in place of one of that name.

        Parameters
        ----------
        settings : dict
            Has ``name`` and may have what a client may set.
        """
        name = settings["name"]
        with self._lock:
            self.bucket(bucket)
            old = self._objects.get((bucket, name))
            conditions.check(old)
            record = _new_object(bucket, settings, data)
            _check_digests(settings, record)
            path = self._path(record)
            path.write_bytes(data)
            self._objects[bucket, name] = record
            if old:
                self._path(old).unlink(missing_ok=True)
            return record

    def change(
        self,
        bucket: str,
        name: str,
        settings: Mapping[str, Any],
        *,
        conditions: Conditions = Conditions(),
    ) -> Record:
        """Change what a client may set of an object; None clears a field."""
        with self._lock:
            record = dict(self.get(bucket, name, conditions))
            for field in SETTABLE:
                if field in settings:
                    record[field] = settings[field]
            kept = {field: value for field, value in record.items() if value is not None}
            kept["metageneration"] = str(int(record["metageneration"]) + 1)
            kept["updated"] = _now()
            self._objects[bucket, name] = kept
            return kept

    def delete(self, bucket: str, name: str, conditions: Conditions = Conditions()) -> None:
        """Delete an object."""
        with self._lock:
            record = self.get(bucket, name, conditions)
            del self._objects[bucket, name]
            self._path(record).unlink(missing_ok=True)

    def copy_to(self, uri: str, folder: Path) -> int:
        """Write the objects below a ``gs://`` URI as files below `folder`; return how many."""
        bucket, _, prefix = uri.removeprefix("gs://").partition("/")
        prefix = prefix.rstrip("/") + "/" if prefix else ""
        count = 0
        for record in list(self.list(bucket, prefix)):
            path = folder / record["name"].removeprefix(prefix)
            if record["name"].endswith("/") or not path.resolve().is_relative_to(folder.resolve()):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(record))
            count += 1
        return count

    def _path(self, record: Record) -> Path:
        return self._folder / str(record["_file"])


def _new_bucket(settings: Record, project: str) -> Record:
    name = settings["name"]
    return {
        "storageClass": "STANDARD",
        "location": "US",
        **settings,
        "kind": "storage#bucket",
        "id": name,
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
        "projectNumber": project,
        "metageneration": "1",
        "etag": "CAE=",
        "timeCreated": _now(),
        "updated": _now(),
    }


def _new_object(bucket: str, settings: Record, data: bytes) -> Record:
    name = settings["name"]
    generation = str(time.time_ns() // 1000)
    path = f"storage/v1/b/{bucket}/o/{quote(name, safe='')}"
    crc = google_crc32c.value(data).to_bytes(4, "big")
    return {
        "contentType": "application/octet-stream",
        "storageClass": "STANDARD",
        **{field: settings[field] for field in SETTABLE if settings.get(field)},
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "selfLink": f"https://www.googleapis.com/{path}",
        "mediaLink": f"https://storage.googleapis.com/download/{path}?generation={generation}&alt=media",
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "size": str(len(data)),
        "md5Hash": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
        "crc32c": base64.b64encode(crc).decode(),
        "etag": base64.b64encode(generation.encode()).decode(),
        "timeCreated": _now(),
        "updated": _now(),
        "_file": uuid.uuid4().hex,
    }


def _check_digests(settings: Record, record: Record) -> None:
    for name in ("md5Hash", "crc32c"):
        if settings.get(name) not in (None, record[name]):
            raise BadRequestError(
                f'Provided {name} "{settings[name]}" doesn\'t match calculated "{record[name]}".'
            )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
