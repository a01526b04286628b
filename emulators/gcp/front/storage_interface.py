"""The JSON interface of Cloud Storage: routes, lists, downloads and errors."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tridock.emulators.gcp.core.cloud import Cloud
from tridock.emulators.gcp.core.faulty import faults
from tridock.emulators.gcp.protocol import masks
from tridock.emulators.gcp.protocol.errors import GcpError
from tridock.emulators.gcp.protocol.names import number
from tridock.emulators.gcp.protocol.wire import Answer, Request
from tridock.emulators.gcp.storage.errors import (
    REFUSALS,
    BadRequestError,
    NotModifiedError,
    ObjectNotFoundError,
    RangeError,
    StorageError,
)
from tridock.emulators.gcp.storage.objects import Conditions, Store
from tridock.emulators.gcp.storage.uploads import Uploads, shown
from tridock.emulators.http_headers import (
    UnsatisfiableRangeError,
    content_range,
    requested_range,
)

PREFIXES = ("/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/", "/batch/storage/")
PAGE_SIZE = 1000
#: Roles by which objects are read («IAM roles for Cloud Storage»).
_READERS = {f"roles/storage.{role}" for role in ("objectViewer", "objectAdmin", "admin")}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class Storage:
    """Answers the storage calls of one cloud.

    Attributes
    ----------
    cloud : Cloud
        Has the store.
    uploads : Uploads
        Resumable uploads under way.
    """

    cloud: Cloud
    uploads: Uploads

    @property
    def store(self) -> Store:
        """The buckets and objects."""
        return self.cloud.store

    def is_public(self, request: Request) -> bool:
        """Return whether everybody may read what a request without credentials asks for."""
        match = re.fullmatch(r"/(?:download/)?storage/v1/b/([^/]+)/o(?:/[^/]+)?", request.path)
        if not match or request.verb != "GET" or "authorization" in request.headers:
            return False
        policy = self.store.buckets.get(unquote(match[1]), {}).get("_policy", {})
        return any(
            binding.get("role") in _READERS and "allUsers" in binding.get("members", ())
            for binding in policy.get("bindings", ())
        )

    def answer(self, request: Request) -> Answer:
        """Answer one request, errors in the interface's own form.

        Raises
        ------
        UnimplementedError
            If it is a call that the emulator does not have.
        """
        try:
            with faults(self.cloud, _operation(request), refusals=REFUSALS):
                return self._route(request)
        except NotModifiedError:
            return Answer(304)
        except StorageError as error:
            return Answer.of(error.record(), error.status)

    def _route(self, request: Request) -> Answer:
        path = re.sub(r"^/(upload/|download/)?storage/v1", "", request.path)
        parts = [unquote(part) for part in path.split("/")[1:]]
        if request.path.startswith("/upload/"):
            return self.uploads.answer(parts[1], request)
        for shape, verbs in _ROUTES:
            fit = _fit(shape, parts)
            if fit is not None and request.verb in verbs:
                return verbs[request.verb](self, request, *fit)
        raise masks.unimplemented(request)

    def list_buckets(self, request: Request) -> Answer:
        """``buckets.list``."""
        project = number(request.parameters.get("project", ""))
        buckets = [b for b in self.store.buckets.values() if b["projectNumber"] == project]
        prefix = request.parameters.get("prefix", "")
        items = [_public(bucket) for bucket in buckets if bucket["name"].startswith(prefix)]
        return Answer.of({"kind": "storage#buckets", "items": items})

    def make_bucket(self, request: Request) -> Answer:
        """``buckets.insert``."""
        record = request.json()
        if not _NAME.fullmatch(record.get("name", "")):
            raise BadRequestError(f"Invalid bucket name: '{record.get('name')}'")
        project = number(request.parameters.get("project", ""))
        return Answer.of(_public(self.store.make_bucket(record, project)))

    def get_bucket(self, request: Request, bucket: str) -> Answer:
        """``buckets.get``."""
        return Answer.of(_public(self.store.bucket(bucket)))

    def change_bucket(self, request: Request, bucket: str) -> Answer:
        """``buckets.patch``."""
        return Answer.of(_public(self.store.change_bucket(bucket, request.json())))

    def delete_bucket(self, request: Request, bucket: str) -> Answer:
        """``buckets.delete``."""
        self.store.delete_bucket(bucket)
        return Answer(204)

    def list_objects(self, request: Request, bucket: str) -> Answer:
        """``objects.list`` with prefix, delimiter and pages."""
        parameters = request.parameters
        prefix, delimiter = parameters.get("prefix", ""), parameters.get("delimiter", "")
        after = base64.urlsafe_b64decode(parameters.get("pageToken", "").encode()).decode()
        size = int(parameters.get("maxResults", PAGE_SIZE)) or PAGE_SIZE
        items: list[dict[str, Any]] = []
        prefixes: list[str] = []
        for record in self.store.list(bucket, prefix):
            name = record["name"]
            group = _group(name, prefix, delimiter)
            if (group or name) <= after or group in prefixes:
                continue
            if not parameters.get("startOffset", "") <= name or name >= parameters.get(
                "endOffset", "\uffff"
            ):
                continue
            if len(items) + len(prefixes) == size:
                break
            if group:
                prefixes.append(group)
            else:
                items.append(shown(record, request))
            last = group or name
        else:
            last = ""
        answer: dict[str, Any] = {"kind": "storage#objects", "items": items, "prefixes": prefixes}
        if last:
            answer["nextPageToken"] = base64.urlsafe_b64encode(last.encode()).decode()
        return Answer.of({key: value for key, value in answer.items() if value})

    def get_object(self, request: Request, bucket: str, name: str) -> Answer:
        """``objects.get``: the record, or the bytes with ``alt=media``."""
        record = self.store.get(bucket, name, Conditions.of(request.parameters))
        if request.parameters.get("generation") not in (None, record["generation"]):
            raise ObjectNotFoundError(f"No such object: {bucket}/{name}")
        if request.parameters.get("alt") == "media" or request.path.startswith("/download/"):
            return self._media(request, record)
        return Answer.of(shown(record, request))

    def change_object(self, request: Request, bucket: str, name: str) -> Answer:
        """``objects.patch`` and ``objects.update``."""
        conditions = Conditions.of(request.parameters)
        record = self.store.change(bucket, name, request.json(), conditions=conditions)
        return Answer.of(shown(record, request))

    def delete_object(self, request: Request, bucket: str, name: str) -> Answer:
        """``objects.delete``."""
        self.store.delete(bucket, name, Conditions.of(request.parameters))
        return Answer(204)

    def copy_object(self, request: Request, *names: str) -> Answer:
        """``objects.copy``."""
        return Answer.of(shown(self._copied(request, *names), request))

    def rewrite_object(self, request: Request, *names: str) -> Answer:
        """``objects.rewrite``, done in one call."""
        record = self._copied(request, *names)
        done = {"kind": "storage#rewriteResponse", "done": True, "objectSize": record["size"]}
        done |= {"totalBytesRewritten": record["size"], "resource": shown(record, request)}
        return Answer.of(done)

    def compose(self, request: Request, bucket: str, name: str) -> Answer:
        """``objects.compose``."""
        wanted = request.json()
        parts = [self.store.get(bucket, source["name"]) for source in wanted["sourceObjects"]]
        settings = wanted.get("destination", {}) | {"name": name}
        data = b"".join(self.store.read(part) for part in parts)
        conditions = Conditions.of(request.parameters)
        record = self.store.write(bucket, settings, data, conditions=conditions)
        return Answer.of(shown(record, request))

    def get_policy(self, request: Request, bucket: str) -> Answer:
        """``buckets.getIamPolicy``."""
        return Answer.of(self.store.bucket(bucket).get("_policy", {"version": 1, "etag": "CAE="}))

    def set_policy(self, request: Request, bucket: str) -> Answer:
        """``buckets.setIamPolicy``: kept and given back, not enforced."""
        self.store.change_bucket(bucket, {"_policy": request.json()})
        return Answer.of(request.json())

    def test_permissions(self, request: Request, bucket: str) -> Answer:
        """``buckets.testIamPermissions``: the caller may do everything."""
        self.store.bucket(bucket)
        permissions = [value for key, value in request.query if key == "permissions"]
        return Answer.of({"kind": "storage#testIamPermissionsResponse", "permissions": permissions})

    def _copied(self, request: Request, *names: str) -> dict[str, Any]:
        source_bucket, source_name, bucket, name = names
        conditions = Conditions.of(request.parameters, "ifSource")
        source = self.store.get(source_bucket, source_name, conditions)
        settings = source | request.json() | {"name": name}
        data = self.store.read(source)
        return self.store.write(
            bucket, settings, data, conditions=Conditions.of(request.parameters)
        )

    def _media(self, request: Request, record: Mapping[str, Any]) -> Answer:
        data = self.store.read(dict(record))
        headers = {
            "content-type": record["contentType"],
            "etag": record["etag"],
            "x-goog-generation": record["generation"],
            "x-goog-metageneration": record["metageneration"],
            "x-goog-storage-class": record["storageClass"],
            "x-goog-hash": f"crc32c={record['crc32c']},md5={record['md5Hash']}",
            "x-goog-stored-content-length": record["size"],
            "x-goog-stored-content-encoding": record.get("contentEncoding", "identity"),
        }
        if record.get("contentEncoding"):
            headers["content-encoding"] = record["contentEncoding"]
        span = _requested(request, len(data))
        if span is None:
            return Answer(200, data, headers)
        headers["content-range"] = content_range(span, len(data))
        return Answer(206, data[span.start : span.stop], headers)


def unauthenticated(error: GcpError) -> Answer:
    """Return a refusal of credentials in the form of the JSON interface."""
    is_missing = "missing" in error.message
    words = "Anonymous caller does not have storage access to the requested resource."
    item = {
        "message": words if is_missing else "Invalid Credentials",
        "domain": "global",
        "reason": "required" if is_missing else "authError",
        "locationType": "header",
        "location": "Authorization",
    }
    record = {"error": {"code": 401, "message": item["message"], "errors": [item]}}
    return Answer.of(record, 401, error.headers)


def _public(bucket: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in bucket.items() if not key.startswith("_")}


def _operation(request: Request) -> str:
    """Name a call as plans of faults do: ``"storage.objects.insert"``."""
    if request.path.startswith("/upload/"):
        return "storage.objects.insert"
    kind = "objects" if re.search(r"/b/[^/]+/o(/|$)", request.path) else "buckets"
    is_one = re.search(rf"/{kind[0]}/[^/]+$", request.path)
    verbs = {"POST": "insert", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
    return f"storage.{kind}.{verbs.get(request.verb, 'get' if is_one else 'list')}"


_Route = Callable[..., Answer]
_ROUTES: tuple[tuple[str, Mapping[str, _Route]], ...] = (
    ("b", {"GET": Storage.list_buckets, "POST": Storage.make_bucket}),
    (
        "b/*",
        {
            "GET": Storage.get_bucket,
            "PATCH": Storage.change_bucket,
            "PUT": Storage.change_bucket,
            "DELETE": Storage.delete_bucket,
        },
    ),
    ("b/*/iam", {"GET": Storage.get_policy, "PUT": Storage.set_policy}),
    ("b/*/iam/testPermissions", {"GET": Storage.test_permissions}),
    ("b/*/o", {"GET": Storage.list_objects}),
    (
        "b/*/o/*",
        {
            "GET": Storage.get_object,
            "PATCH": Storage.change_object,
            "PUT": Storage.change_object,
            "DELETE": Storage.delete_object,
        },
    ),
    ("b/*/o/*/copyTo/b/*/o/*", {"POST": Storage.copy_object}),
    ("b/*/o/*/rewriteTo/b/*/o/*", {"POST": Storage.rewrite_object}),
    ("b/*/o/*/compose", {"POST": Storage.compose}),
)


def _fit(shape: str, parts: list[str]) -> list[str] | None:
    words = shape.split("/")
    if len(words) != len(parts):
        return None
    if any(word not in ("*", part) for word, part in zip(words, parts, strict=True)):
        return None
    return [part for word, part in zip(words, parts, strict=True) if word == "*"]


def _group(name: str, prefix: str, delimiter: str) -> str:
    head, route, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
    return prefix + head + route if route else ""


def _requested(request: Request, size: int) -> range | None:
    try:
        return requested_range(request.headers.get("range", ""), size)
    except UnsatisfiableRangeError as error:
        raise RangeError(str(error)) from error
