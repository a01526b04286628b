"""The part of the Blob service that Azure ML, its SDK and azure-storage-blob use.

Source: Azure Storage, "Blob service REST API".
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tridock.emulators.azure.core import signature
from tridock.emulators.azure.core.blobs import Blob
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.entra import bearer
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.http_headers import (
    UnsatisfiableRangeError,
    content_range,
    requested_range,
)

XML = "application/xml"
PAGE = 5000
HEAD = '<?xml version="1.0" encoding="utf-8"?>'
META = "x-ms-meta-"

#: Permissions that allow a request, by its method; to write a blob that is not there, "c" does too.
CONTAINER_RIGHTS = {"GET": "rl", "HEAD": "rl", "PUT": "cw", "DELETE": "d"}
BLOB_RIGHTS = {"GET": "r", "HEAD": "r", "PUT": "w", "DELETE": "d"}

#: Members of a user delegation key, by the fields of a signature made with it.
LENT = {
    "SignedOid": "skoid",
    "SignedTid": "sktid",
    "SignedStart": "skt",
    "SignedExpiry": "ske",
    "SignedService": "sks",
    "SignedVersion": "skv",
    "Value": "value",
}
_CONDITIONS = {"if-match", "if-none-match"}


@dataclass(frozen=True)
class Place:
    """Subject of a request: a container, or a blob in it if `name` is not empty."""

    container: str
    name: str


class Storage:
    """Answers requests to one storage account."""

    def __init__(self, cloud: Cloud) -> None:
        self._blobs = cloud.blobs
        self._entra = cloud.entra
        self._signatures = cloud.signatures
        self._conditional = threading.Lock()
        self._container_verbs: dict[tuple[str, str], Callable[[Call, Place], Answer]] = {
            ("PUT", ""): self._create,
            ("GET", "list"): self._list,
            ("GET", ""): self._about_container,
            ("HEAD", ""): self._about_container,
            ("DELETE", ""): self._remove,
        }
        self._blob_verbs: dict[tuple[str, str], Callable[[Call, Place], Answer]] = {
            ("PUT", ""): self._put,
            ("PUT", "block"): self._stage,
            ("PUT", "blocklist"): self._commit,
            ("PUT", "metadata"): self._put_metadata,
            ("GET", ""): self._get,
            ("HEAD", ""): self._head,
            ("DELETE", ""): self._delete,
        }

    def answer(self, call: Call) -> Answer:
        """Answer one request; `call.path` starts with the container."""
        try:
            container, _, name = call.path.strip("/").partition("/")
            place = Place(container, name)
            self._signatures.check(call, self._entra, self._rights(call, place))
            if not container:
                return self._lend(call)
            verb = self._verb(call, name)
            if not name or not _CONDITIONS & set(call.headers):
                return verb(call, place)
            with self._conditional:  # no other write between the look and the change
                self._need(place)
                _demand(call, self._blobs.get(*_key(place)))
                return verb(call, place)
        except AzureError as error:
            return refused(error)

    def _rights(self, call: Call, place: Place) -> signature.Need:
        """Return which permissions allow a request ("Create a service SAS", permissions)."""
        comp = call.query.get("comp", "")
        if not place.name:
            letters = "l" if comp == "list" else CONTAINER_RIGHTS.get(call.method, "")
            return signature.Need(f"/{place.container}", letters, "c" if place.container else "s")
        letters = "w" if comp == "metadata" else BLOB_RIGHTS.get(call.method, "")
        if call.method == "PUT" and self._blobs.get(*_key(place)) is None:
            letters += "c"
        return signature.Need(f"/{place.container}/{place.name}", letters, "o")

    def _lend(self, call: Call) -> Answer:
        """Answer ``Get User Delegation Key``: to a token only, since its time is the token's."""
        if (call.method, call.query.get("comp", "")) != ("POST", "userdelegationkey"):
            raise AzureError(501, "NotImplemented", f"{call.method} / is not emulated.")
        claims = self._entra.claims(bearer(call))
        if claims is None:
            raise signature.challenge(call, "InvalidAuthenticationInfo")
        fields = {entry.tag: entry.text or "" for entry in _xml_of(call.body)}
        times = fields.get("Start", ""), fields.get("Expiry", "")
        lent = self._signatures.delegation_key(*times, claims["oid"])
        parts = (f"<{name}>{escape(lent[key])}</{name}>" for name, key in LENT.items())
        text = f"{HEAD}<UserDelegationKey>{''.join(parts)}</UserDelegationKey>"
        return Answer(200, text.encode(), {"Content-Type": XML})

    def _verb(self, call: Call, name: str) -> Callable[[Call, Place], Answer]:
        verbs = self._blob_verbs if name else self._container_verbs
        comp = call.query.get("comp", "")
        verb = verbs.get((call.method, comp))
        if verb is None:
            raise AzureError(501, "NotImplemented", f"{call.method} comp={comp} is not emulated.")
        return verb

    def _create(self, call: Call, place: Place) -> Answer:
        if not 3 <= len(place.container) <= 63:
            raise AzureError(400, "InvalidResourceName", f"'{place.container}' is no valid name.")
        if not self._blobs.create(place.container):
            raise AzureError(409, "ContainerAlreadyExists", "The container already exists.")
        return Answer(201, None, _stamp())

    def _about_container(self, call: Call, place: Place) -> Answer:
        self._need(place)
        return Answer(200, None, _stamp())

    def _remove(self, call: Call, place: Place) -> Answer:
        self._need(place)
        self._blobs.remove(place.container)
        return Answer(202)

    def _list(self, call: Call, place: Place) -> Answer:
        self._need(place)
        prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
        limit = min(int(call.query.get("maxresults") or PAGE), PAGE)
        with_metadata = "metadata" in call.query.get("include", "")
        entries: dict[str, str] = {}
        following = ""
        for blob in self._blobs.list(place.container, prefix):
            if blob.name < call.query.get("marker", ""):
                continue
            head, listed, _ = blob.name[len(prefix) :].partition(delimiter or "\0")
            name = prefix + head + delimiter if delimiter and listed else blob.name
            if name not in entries and len(entries) == limit:
                following = blob.name
                break
            is_folder = name != blob.name
            entries[name] = _folder(name) if is_folder else _entry(blob, with_metadata)
        blobs = f"<Prefix>{escape(prefix)}</Prefix><Blobs>{''.join(entries.values())}</Blobs>"
        return _xml(f"{blobs}<NextMarker>{escape(following)}</NextMarker>", place.container)

    def _put(self, call: Call, place: Place) -> Answer:
        self._need(place)
        return self._written(call, place, [call.body])

    def _stage(self, call: Call, place: Place) -> Answer:
        self._need(place)
        self._blobs.stage(*_key(place), call.query["blockid"], call.body)
        return Answer(201)

    def _commit(self, call: Call, place: Place) -> Answer:
        self._need(place)
        staged = self._blobs.blocks(*_key(place))
        names = [entry.text or "" for entry in _xml_of(call.body)]
        if set(names) - set(staged):
            raise AzureError(400, "InvalidBlockList", "The specified block list is invalid.")
        answer = self._written(call, place, (staged[name].read_bytes() for name in names))
        self._blobs.forget_blocks(*_key(place))
        return answer

    def _written(self, call: Call, place: Place, parts: Iterable[bytes]) -> Answer:
        kind = call.headers.get("x-ms-blob-content-type") or "application/octet-stream"
        blob = self._blobs.write(*_key(place), parts)
        blob = self._blobs.put(
            place.container, replace(blob, media_type=kind, metadata=_metadata(call))
        )
        return Answer(201, None, _headers(blob))

    def _put_metadata(self, call: Call, place: Place) -> Answer:
        blob = self._find(place)
        self._blobs.put(place.container, replace(blob, metadata=_metadata(call)))
        return Answer(200, None, _headers(blob))

    def _get(self, call: Call, place: Place) -> Answer:
        blob = self._find(place)
        header = call.headers.get("x-ms-range") or call.headers.get("range") or ""
        try:
            span = requested_range(header, blob.size)
        except UnsatisfiableRangeError as error:
            raise AzureError(416, "InvalidRange", "The range specified is invalid.") from error
        if span is None:
            return Answer(200, blob.path.read_bytes(), _headers(blob))
        with blob.path.open("rb") as file:
            file.seek(span.start)
            part = file.read(len(span))
        return Answer(206, part, _headers(blob) | {"Content-Range": content_range(span, blob.size)})

    def _head(self, call: Call, place: Place) -> Answer:
        blob = self._find(place)
        return Answer(200, None, _headers(blob) | {"Content-Length": str(blob.size)})

    def _delete(self, call: Call, place: Place) -> Answer:
        self._find(place)
        self._blobs.delete(*_key(place))
        return Answer(202)

    def _need(self, place: Place) -> None:
        if not self._blobs.has(place.container):
            raise AzureError(404, "ContainerNotFound", "The specified container does not exist.")

    def _find(self, place: Place) -> Blob:
        self._need(place)
        blob = self._blobs.get(*_key(place))
        if blob is None:
            raise AzureError(404, "BlobNotFound", "The specified blob does not exist.")
        return blob


def _demand(call: Call, blob: Blob | None) -> None:
    """Refuse a request whose conditions the blob does not meet ("Specifying conditional headers").

    Conditions by time are not emulated: our clients send none.
    """
    is_read = call.method in ("GET", "HEAD")
    wanted, unwanted = call.headers.get("if-match"), call.headers.get("if-none-match")
    if blob and unwanted == "*" and not is_read:
        raise AzureError(409, "BlobAlreadyExists", "The specified blob already exists.")
    if blob and unwanted in ("*", blob.etag):
        raise AzureError(304 if is_read else 412, "ConditionNotMet", _NOT_MET)
    if wanted and blob is None and call.method != "PUT":
        raise AzureError(404, "BlobNotFound", "The specified blob does not exist.")
    if wanted and (blob is None or wanted not in ("*", blob.etag)):
        raise AzureError(412, "ConditionNotMet", _NOT_MET)


_NOT_MET = "The condition specified using HTTP conditional header(s) is not met."


def _key(place: Place) -> tuple[str, str]:
    return place.container, place.name


def _metadata(call: Call) -> dict[str, str]:
    metadata = {name: value for name, value in call.headers.items() if name.startswith(META)}
    return {name.removeprefix(META): value for name, value in metadata.items()}


def _stamp() -> dict[str, str]:
    return {"ETag": f'"0x{uuid.uuid4().hex[:15]}"', "Last-Modified": formatdate(usegmt=True)}


def _headers(blob: Blob) -> dict[str, str]:
    return {
        "ETag": blob.etag,
        "Last-Modified": formatdate(blob.modified, usegmt=True),
        "Content-Type": blob.media_type,
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-version": signature.VERSION,
        **{META + name: value for name, value in blob.metadata.items()},
    }


def _entry(blob: Blob, with_metadata: bool) -> str:
    pairs = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in blob.metadata.items())
    facts = {
        "Last-Modified": formatdate(blob.modified, usegmt=True),
        "Etag": blob.etag.strip('"'),
        "Content-Length": str(blob.size),
        "Content-Type": blob.media_type,
        "BlobType": "BlockBlob",
    }
    properties = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in facts.items())
    metadata = f"<Metadata>{pairs}</Metadata>" if with_metadata else ""
    name = escape(blob.name)
    return f"<Blob><Name>{name}</Name><Properties>{properties}</Properties>{metadata}</Blob>"


def _folder(name: str) -> str:
    return f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"


def _xml_of(body: bytes) -> ElementTree.Element:
    try:
        # It comes from a client on this machine; entities would only hurt its own emulator.
        return ElementTree.fromstring(body)  # noqa: S314
    except ElementTree.ParseError as error:
        raise AzureError(400, "InvalidXmlDocument", f"XML specified is invalid: {error}") from error


def _xml(inner: str, container: str) -> Answer:
    text = f'{HEAD}<EnumerationResults ContainerName="{container}">{inner}</EnumerationResults>'
    return Answer(200, text.encode(), {"Content-Type": XML})


def refused(error: AzureError) -> Answer:
    """Return a refusal as the Blob service words it, in XML."""
    phrase = escape(error.message or HTTPStatus(error.status).phrase)
    text = f"<Error><Code>{error.code}</Code><Message>{phrase}</Message></Error>"
    headers = {"Content-Type": XML, "x-ms-error-code": error.code, **error.headers}
    return Answer(error.status, f'<?xml version="1.0"?>{text}'.encode(), headers)
