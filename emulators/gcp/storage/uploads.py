"""Uploads of objects: in one body, with their settings, or in parts that can be resumed."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
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
        return self._write(
            Session(bucket, settings, Conditions.of(request.parameters)), data, request
        )

    def _begin(self, bucket: str, request: Request) -> Answer:
        self.store.bucket(bucket)
        settings = _named(request.json(), request)
        if "x-upload-content-type" in request.headers:
            settings.setdefault("contentType", request.headers["x-upload-content-type"])
        key = secrets.token_urlsafe(24)
        self._sessions[key] = Session(bucket, settings, Conditions.of(request.parameters))
        where = f"{request.origin}{request.path}?uploadType=resumable&upload_id={key}"
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
            return self._write(session, bytes(session.data), request)
        got = {"range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
        return Answer(308, b"", got)

    def _write(self, session: Session, data: bytes, request: Request) -> Answer:
        record = self.store.write(
            session.bucket, session.settings, data, conditions=session.conditions
        )
        return Answer.of(shown(record, request))


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
