"""Uploads of objects: in one body, with their settings, or in parts that can be resumed."""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from tridock.emulators.gcp.protocol.wire import Answer, Request
from tridock.emulators.gcp.state.database import Database, NotWrittenError
from tridock.emulators.gcp.storage.errors import (
    BadRequestError,
    BusyError,
    ObjectNotFoundError,
    RangeError,
)
from tridock.emulators.gcp.storage.objects import Conditions, Store

#: Of the records in the database.
KIND = "uploads"
WEEK_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Upload:
    """Upload that is to become an object.

    Attributes
    ----------
    bucket : str
        Where the object goes.
    settings : dict
        Its name, type and metadata.
    conditions : Conditions
        Checked when the last byte has come.
    is_done : bool
        Whether it is an object already.
    """

    bucket: str
    settings: dict[str, Any]
    conditions: Conditions
    is_done: bool = False


class Uploads:
    """Takes uploads for one store ("Upload objects" of Cloud Storage).

    What came of a resumable upload is in a file until its last byte.

    Parameters
    ----------
    store : Store
        Where the objects go.
    folder : Path
        Where the bytes of uploads under way are.
    database : Database
        Keeps their settings.
    """

    def __init__(self, store: Store, folder: Path, database: Database) -> None:
        self.store = store
        self._folder = folder
        self._database = database
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._drop_old()

    def answer(self, bucket: str, request: Request) -> Answer:
        """Answer one request below ``/upload``."""
        kind = request.parameters.get("uploadType", "")
        session = request.parameters.get("upload_id", "")
        if session:
            return self._resume(session, request)
        if kind == "resumable":
            return self._begin(bucket, request)
        settings, data = _multipart(request) if kind == "multipart" else _media(request)
        conditions = Conditions.of(request.parameters)
        record = self.store.write(bucket, settings, data, conditions=conditions)
        return Answer.of(shown(record, request))

    def _begin(self, bucket: str, request: Request) -> Answer:
        self.store.bucket(bucket)
        settings = _named(request.json(), request)
        if "x-upload-content-type" in request.headers:
            settings.setdefault("contentType", request.headers["x-upload-content-type"])
        key = secrets.token_urlsafe(24)
        upload = Upload(bucket, settings, Conditions.of(request.parameters))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path(key).touch()
            self._database.write([(KIND, key, json.dumps(asdict(upload)))])
        except (OSError, NotWrittenError) as error:
            self._path(key).unlink(missing_ok=True)
            raise BusyError(f"Backend Error: {error}") from error
        where = f"{request.origin}{request.path}?uploadType=resumable&upload_id={key}"
        return Answer(200, b"", {"location": where, "x-guploader-uploadid": key})

    def _resume(self, key: str, request: Request) -> Answer:
        with self._lock:  # a client that tries again may meet its own first try
            upload = self._upload(key)
            if upload.is_done:
                record = self.store.get(upload.bucket, upload.settings["name"])
                return Answer.of(shown(record, request))
            if request.verb == "DELETE":
                self._database.write([(KIND, key, None)])
                self._path(key).unlink(missing_ok=True)
                return Answer(499)
            size, is_whole = self._take(key, request)
            if is_whole:
                return self._finish(key, upload, request)
            return Answer(308, b"", {"range": f"bytes=0-{size - 1}"} if size else {})

    def _upload(self, key: str) -> Upload:
        text = self._database.read(KIND, key)
        if not text:
            raise ObjectNotFoundError(f"There is no upload {key}.")
        record = json.loads(text)
        return Upload(**record | {"conditions": Conditions(**record["conditions"])})

    def _take(self, key: str, request: Request) -> tuple[int, bool]:
        """Write the bytes of one part; return how many there are, and whether these are all."""
        span = re.fullmatch(
            r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", request.headers.get("content-range", "")
        )
        path = self._path(key)
        before = path.stat().st_size
        start = 0 if not span else int(span[1]) if span[1] else None
        if start is not None:
            if start > before:
                raise RangeError(f"The upload has {before} bytes, and this part begins at {start}.")
            _write_at(path, start, request.body)
        size = path.stat().st_size
        return size, not span or span[3] == str(size)

    def _finish(self, key: str, upload: Upload, request: Request) -> Answer:
        """Make the object and end its upload in one step: the client may ask again."""
        done = json.dumps(asdict(replace(upload, is_done=True)))
        record = self.store.write(
            upload.bucket,
            upload.settings,
            self._path(key).read_bytes(),
            conditions=upload.conditions,
            beside=[(KIND, key, done)],
        )
        os.truncate(self._path(key), 0)
        return Answer.of(shown(record, request))

    def _drop_old(self) -> None:
        """Forget uploads of more than a week ago ("Resumable uploads", session URIs)."""
        known = {key for key, _ in self._database.load(KIND)}
        for path in self._folder.iterdir():
            if path.name not in known or path.stat().st_mtime < time.time() - WEEK_SECONDS:
                path.unlink()
        gone = [key for key in known if not self._path(key).exists()]
        with suppress(NotWrittenError):
            self._database.write([(KIND, key, None) for key in gone])

    def _path(self, key: str) -> Path:
        return self._folder / key


def _write_at(path: Path, start: int, data: bytes) -> None:
    """Write `data` from byte `start` on, and cut what was behind; a full disk changes nothing."""
    before = path.stat().st_size
    try:
        with path.open("r+b") as file:
            file.seek(start)
            file.write(data)
            file.truncate()
    except OSError as error:
        os.truncate(path, min(before, start))
        raise BusyError(f"Backend Error: the emulator's disk: {error.strerror}") from error


def shown(record: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """Return an object's record as `request` is to see it: its link leads where that came from."""
    known = {key: value for key, value in record.items() if not key.startswith("_")}
    known["mediaLink"] = request.origin + known["mediaLink"].partition("googleapis.com")[2]
    return known


def _media(request: Request) -> tuple[dict[str, Any], bytes]:
    settings = {"contentType": request.content_type} if request.content_type else {}
    return _named(settings, request), request.body


def _multipart(request: Request) -> tuple[dict[str, Any], bytes]:
    """Split the two parts of a multipart/related body: settings as JSON, then the bytes."""
    match = re.search(r'boundary="?([^";]+)"?', request.content_type)
    if not match:
        raise BadRequestError("A multipart upload needs a boundary in its Content-Type.")
    mark = b"--" + match[1].encode()
    parts = request.body.split(mark)
    if len(parts) < 4:
        raise BadRequestError(f"A multipart upload has two parts between {mark!r}.")
    _, settings = _part(parts[1])
    head, data = _part(mark.join(parts[2:-1]))
    record = _named(json.loads(settings), request)
    record.setdefault("contentType", head.get("content-type", "application/octet-stream"))
    return record, data


def _part(raw: bytes) -> tuple[dict[str, str], bytes]:
    head, _, data = raw.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = BytesParser().parsebytes(head + b"\r\n\r\n", headersonly=True)
    return {k.lower(): v for k, v in headers.items()}, data.removesuffix(b"\r\n")


def _named(settings: dict[str, Any], request: Request) -> dict[str, Any]:
    name = settings.get("name") or request.parameters.get("name")
    if not name:
        raise BadRequestError("Required parameter: name")
    return settings | {"name": name}
