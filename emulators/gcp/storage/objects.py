"""Buckets and objects: records in memory, bytes on disk, every change under preconditions."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import google_crc32c

from tridock.emulators.gcp.state.database import Change, Database, NotWrittenError
from tridock.emulators.gcp.state.trash import remove
from tridock.emulators.gcp.storage.errors import (
    BadRequestError,
    BusyError,
    ConditionNotMetError,
    ConflictError,
    NotModifiedError,
    ObjectNotFoundError,
)

log = logging.getLogger(__name__)

Record: TypeAlias = dict[str, Any]

#: Bytes of objects that are in the database at most: locks and notes are written on a full
#: disk, too.
SMALL_BYTES = 16 * 1024
#: Prefix of the files of objects that cannot be read any more.
UNREADABLE = ".unreadable-"

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
    """All buckets of one emulated cloud, on disk before their answers.

    Parameters
    ----------
    folder : Path
        Where the bytes of larger objects are.
    database : Database
        Has the records, and the bytes of small objects.
    """

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder = folder
        self._database = database
        self._lock = threading.RLock()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.buckets: dict[str, Record] = {
            name: json.loads(text) for name, text in database.load("buckets")
        }
        self._objects: dict[tuple[str, str], Record] = {}
        for name, text in database.load("objects"):
            self._load(name, json.loads(text))
        known = {record["_file"] for record in self._objects.values()}
        for path in self._folder.iterdir():
            if path.name not in known and not path.name.startswith(UNREADABLE):
                path.unlink()  # of an upload that was killed before its answer
        generations = [int(record["generation"]) for record in self._objects.values()]
        self._generation = max(generations, default=0)

    def clear(self) -> None:
        """Forget every bucket and object."""
        with self._lock:
            self._database.clear(("buckets", "objects", "contents", "uploads"))
            self.buckets.clear()
            self._objects.clear()
            remove(self._folder)
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
            return self._keep_bucket(_new_bucket(record, project))

    def change_bucket(self, name: str, settings: Record) -> Record:
        """Change the settings of a bucket, and count its metageneration up."""
        with self._lock:
            record = self.bucket(name) | settings
            count = int(self.bucket(name)["metageneration"]) + 1
            return self._keep_bucket(record | {"name": name, "metageneration": str(count)})

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
            self._commit([("buckets", name, None)])
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
        if int(record["size"]) <= SMALL_BYTES:
            return self._database.read("contents", record["_file"])
        return self._path(record).read_bytes()

    def write(
        self,
        bucket: str,
        settings: Record,
        data: bytes,
        *,
        conditions: Conditions = Conditions(),
        beside: Sequence[Change] = (),
    ) -> Record:
        """Write an object, in place of one of that name.

        Parameters
        ----------
        settings : dict
            Has ``name`` and may have what a client may set.
        beside : Sequence of Change
            What is written in the same step.

        Raises
        ------
        BusyError
            If the disk is full; then everything is as before.
        """
        name = settings["name"]
        with self._lock:
            self.bucket(bucket)
            old = self._objects.get((bucket, name))
            conditions.check(old)
            self._generation = max(time.time_ns() // 1000, self._generation + 1)
            record = _new_object(bucket, settings, data, generation=str(self._generation))
            _check_digests(settings, record)
            changes = [*self._written(record, data), *beside, *self._dropped(old)]
            try:
                self._commit([("objects", f"{bucket}/{name}", json.dumps(record)), *changes])
            except BusyError:
                self._path(record).unlink(missing_ok=True)
                raise
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
            self._commit([("objects", f"{bucket}/{name}", json.dumps(kept))])
            self._objects[bucket, name] = kept
            return kept

    def delete(self, bucket: str, name: str, conditions: Conditions = Conditions()) -> None:
        """Delete an object."""
        with self._lock:
            record = self.get(bucket, name, conditions)
            self._commit([("objects", f"{bucket}/{name}", None), *self._dropped(record)])
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

    def _keep_bucket(self, record: Record) -> Record:
        self._commit([("buckets", record["name"], json.dumps(record))])
        self.buckets[record["name"]] = record
        return record

    def _written(self, record: Record, data: bytes) -> Sequence[Change]:
        """Write the bytes of a new object, unless they go to the database with its record."""
        if len(data) <= SMALL_BYTES:
            return [("contents", record["_file"], data)]
        try:
            self._path(record).write_bytes(data)
        except OSError as error:
            self._path(record).unlink(missing_ok=True)
            raise BusyError(f"Backend Error: the emulator's disk: {error.strerror}") from error
        return []

    def _dropped(self, record: Record | None) -> Sequence[Change]:
        return [("contents", record["_file"], None)] if record else []

    def _commit(self, changes: Sequence[Change]) -> None:
        try:
            self._database.write(changes)
        except NotWrittenError as error:
            raise BusyError(f"Backend Error: {error}") from error

    def _load(self, name: str, record: Record) -> None:
        """Take an object up again; one whose bytes were lost or cut is named and put aside."""
        path, size = self._path(record), int(record["size"])
        length = path.stat().st_size if path.exists() else 0
        if size <= SMALL_BYTES or length == size:
            self._objects[record["bucket"], record["name"]] = record
            return
        log.error("gs://%s has %d of %d bytes in %s: put aside", name, length, size, path)
        with suppress(FileNotFoundError):
            path.rename(path.with_name(UNREADABLE + path.name))
        with suppress(BusyError):
            self._commit([("objects", name, None)])


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


def _new_object(bucket: str, settings: Record, data: bytes, *, generation: str) -> Record:
    name = settings["name"]
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
