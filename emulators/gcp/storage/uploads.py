"""Uploads of objects: in one body, with their settings, or in parts that can be resumed."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any

from emulators.gcp.storage.errors import BadRequestError, ObjectNotFoundError
from emulators.gcp.storage.objects import Conditions, Store
from emulators.gcp.wire import Answer, Request


@dataclass
class Session:
    """One resumable upload.

    Attributes
    ----------
    bucket : str
        Where the object goes.
    settings : dict
        Its name, type and metadata.
    conditions : Conditions
        Checked when the last byte has come.
    data : bytearray
        What has come.
    """

    bucket: str
    settings: dict[str, Any]
    conditions: Conditions
    data: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Uploads:
    """Takes uploads for one store ("Upload objects" of Cloud Storage).

    Attributes
    ----------
    store : Store
        Where the objects go.
    """

    store: Store
    _sessions: dict[str, Session] = field(default_factory=dict)

    def answer(self, bucket: str, request: Request) -> Answer:
        """Answer one request below ``/upload``."""
        kind = request.parameters.get("uploadType", "")
        session = request.parameters.get("upload_id", "")
        if session:
            return self._resume(session, request)
        if kind == "resumable":
            return self._begin(bucket, request)
        settings, data = _multipart(request) if kind == "multipart" else _media(request)
        return self._write(bucket, settings, data, Conditions.of(request.parameters))

    def _begin(self, bucket: str, request: Request) -> Answer:
        self.store.bucket(bucket)
        settings = _named(request.json(), request)
        if "x-upload-content-type" in request.headers:
            settings.setdefault("contentType", request.headers["x-upload-content-type"])
        key = secrets.token_urlsafe(24)
        self._sessions[key] = Session(bucket, settings, Conditions.of(request.parameters))
        scheme = "http" if request.host.startswith(("127.0.0.1", "localhost")) else "https"
        where = f"{scheme}://{request.host}{request.path}?uploadType=resumable&upload_id={key}"
        return Answer(200, b"", {"location": where, "x-guploader-uploadid": key})

    def _resume(self, key: str, request: Request) -> Answer:
        session = self._sessions.get(key)
        if session is None:
            raise ObjectNotFoundError(f"There is no upload {key}.")
        if request.verb == "DELETE":
            del self._sessions[key]
            return Answer(499)
        span = re.fullmatch(
            r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", request.headers.get("content-range", "")
        )
        total = span[3] if span else "*"
        if span and span[1]:
            session.data[int(span[1]) :] = request.body
        elif not span:
            session.data[:] = request.body
            total = str(len(session.data))
        if total != "*" and int(total) == len(session.data):
            del self._sessions[key]
            return self._write(
                session.bucket, session.settings, bytes(session.data), session.conditions
            )
        got = {"range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
        return Answer(308, b"", got)

    def _write(
        self, bucket: str, settings: dict[str, Any], data: bytes, conditions: Conditions
    ) -> Answer:
        record = self.store.write(bucket, settings, data, conditions=conditions)
        _check_digests(settings, record)
        return Answer.of({k: v for k, v in record.items() if k != "_file"})


def _check_digests(settings: dict[str, Any], record: dict[str, Any]) -> None:
    for name in ("md5Hash", "crc32c"):
        if settings.get(name) not in (None, record[name]):
            raise BadRequestError(
                f'Provided {name} "{settings[name]}" doesn\'t match calculated "{record[name]}".'
            )


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
