"""One of moto's backends as a file, and the content of S3 objects beside it, once each."""

from __future__ import annotations

import copyreg
import functools
import hashlib
import io
import pickle
import threading
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import moto
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from moto.iam.models import AWSManagedPolicy, IAMBackend
from moto.s3.models import FakeKey, S3Backend

from tridock.emulators.place import write_whole

#: First line of every file. State of another moto is not read: its classes may have changed.
HEADER = f"tridock aws state 1, moto {moto.__version__}\n".encode()

_LOCKS: dict[type, str] = {type(threading.Lock()): "Lock", type(threading.RLock()): "RLock"}
_MAKE: dict[str, Callable[[], object]] = {"Lock": threading.Lock, "RLock": threading.RLock}


#: In the place of content that is lost, while a backend is read.
_LOST = uuid.uuid4().bytes


class OtherStateError(ValueError):
    """A file of another version, of another program, or one that is not whole."""


class LostContentError(Exception):
    """The content of an object is not on disk as it was written."""


@dataclass(frozen=True)
class _Stored:
    """A reference to content among the blobs."""

    digest: str


class Blobs:
    """Bytes by their SHA-256, written once.

    Parameters
    ----------
    folder : Path
        Their folder; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests: weakref.WeakKeyDictionary[FakeKey, tuple[object, str]]
        self._digests = weakref.WeakKeyDictionary()

    def digest(self, key: FakeKey) -> str:
        """Return the digest of an object's content, which is then on disk."""
        version = (key.contentsize, key._etag, key.last_modified)
        known = self._digests.get(key)
        if known and known[0] == version:
            return known[1]
        try:
            content = bytes(key.value)
        except ValueError:  # a closed buffer: the object was deleted
            content = b""
        digest = hashlib.sha256(content).hexdigest()
        if not (self._folder / digest).exists():
            write_whole(self._folder / digest, content)
        self._digests[key] = (version, digest)
        return digest

    def read(self, digest: str) -> bytes:
        """Return the bytes of `digest`.

        Raises
        ------
        LostContentError
            If they are not there, or are others.
        """
        path = self._folder / digest
        data = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != digest:
            raise LostContentError(digest)
        return data

    def remove(self, digests: Iterable[str]) -> None:
        """Remove the bytes of `digests`, which no object has any more."""
        gone = set(digests)
        for key, (_, digest) in list(self._digests.items()):
            if digest in gone:
                del self._digests[key]
        for digest in gone:
            (self._folder / digest).unlink(missing_ok=True)

    def keep_only(self, digests: set[str]) -> None:
        """Remove what no object has any more."""
        for path in list(self._folder.glob("*")):
            if path.name not in digests:
                path.unlink()


def dump(backend: Any, blobs: Blobs) -> tuple[bytes, frozenset[str]]:
    """Return `backend` as bytes, and the digests it refers to.

    Raises
    ------
    TypeError, AttributeError, pickle.PicklingError
        If something in it cannot be kept.
    """
    file = io.BytesIO()
    file.write(HEADER)
    pickler = _Pickler(file, blobs)
    pickler.dump(backend)
    return file.getvalue(), frozenset(pickler.digests)


@dataclass(frozen=True)
class Loaded:
    """A backend that was read.

    Attributes
    ----------
    backend : object
        The backend.
    digests : set of str
        Of the contents it refers to.
    lost : list of str
        Names of the objects that it has no more, since their content is lost.
    """

    backend: Any
    digests: set[str]
    lost: list[str]


def load(data: bytes, blobs: Blobs) -> Loaded:
    """Read a backend.

    Raises
    ------
    OtherStateError
        If the bytes are not of this version.
    """
    if not data.startswith(HEADER):
        raise OtherStateError(data[:80].partition(b"\n")[0].decode(errors="replace"))
    unpickler = _Unpickler(io.BytesIO(data[len(HEADER) :]), blobs)
    try:
        backend = unpickler.load()
    except Exception as error:  # a file that is cut short fails in any way
        raise OtherStateError(f"{type(error).__name__}: {error}") from error
    lost = list(_without_lost(backend)) if unpickler.has_lost else []
    return Loaded(backend, unpickler.digests, lost)


def _without_lost(backend: S3Backend) -> Iterator[str]:
    """Drop the versions of objects whose content is lost, and yield the objects' names."""
    for bucket in backend.buckets.values():
        for name, versions in list(bucket.keys._iterlists()):
            kept = [version for version in versions if not _is_lost(version)]
            if len(kept) < len(versions):
                yield f"{bucket.name}/{name}"
                if kept:
                    bucket.keys.setlist(name, kept)
                else:
                    bucket.keys.pop(name)


def _is_lost(key: Any) -> bool:
    return isinstance(key, FakeKey) and key.contentsize == len(_LOST) and key.value == _LOST


class _Pickler(pickle.Pickler):
    """Takes what plain pickling cannot, and leaves out what moto brings: 4 MB of AWS' policies."""

    def __init__(self, file: Any, blobs: Blobs) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._blobs = blobs
        self.digests: set[str] = set()

    def persistent_id(self, thing: Any) -> tuple[str, str] | None:
        """Return the reference to an object that is not in the file itself."""
        if type(thing) is _Stored:
            return "blob", thing.digest
        if type(thing) is AWSManagedPolicy and not thing.attachment_count:
            return "policy", f"{thing.account_id} {thing.partition} {thing.arn}"
        return ("lock", _LOCKS[type(thing)]) if type(thing) in _LOCKS else None

    def reducer_override(self, thing: Any) -> Any:
        """Reduce an S3 object to its attributes and its blob, and a key to its DER form."""
        if isinstance(thing, FakeKey):
            own = ("_value_buffer", "lock")  # FakeKey.__setstate__ makes new ones
            state = {name: value for name, value in thing.__dict__.items() if name not in own}
            digest = self._blobs.digest(thing)
            self.digests.add(digest)
            state["value"] = _Stored(digest)
            return copyreg.__newobj__, (type(thing),), state  # type: ignore[attr-defined]
        if isinstance(thing, RSAPrivateKey):
            der = thing.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            return _private_key, (der,)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    # The files are our own, in the user's own folder: they are trusted as the code beside them is.

    def __init__(self, file: Any, blobs: Blobs) -> None:
        super().__init__(file)
        self._blobs = blobs
        self.digests: set[str] = set()
        self.has_lost = False

    def persistent_load(self, name: Any) -> Any:
        kind, which = name
        if kind == "lock":
            return _MAKE[which]()
        if kind == "policy":
            account, partition, arn = which.split()
            return _policies(account, partition)[arn]
        self.digests.add(which)
        try:
            return self._blobs.read(which)
        except LostContentError:
            self.has_lost = True
            return _LOST


def _private_key(der: bytes) -> Any:
    return load_der_private_key(der, None)


@functools.cache
def _policies(account: str, partition: str) -> dict[str, Any]:
    """Return the policies that AWS manages, by ARN."""
    return {policy.arn: policy for policy in IAMBackend(partition, account).aws_managed_policies}
