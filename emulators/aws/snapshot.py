"""The state of one of moto's backends as a file; the content of S3 objects beside it, once each."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import pickle
import threading
import weakref
from collections.abc import Iterator
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
from moto.s3.models import FakeKey

#: First line of every file. State of another moto is not read: its classes may have changed.
HEADER = f"tridock aws state 1, moto {moto.__version__}\n".encode()

_LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}


class OtherStateError(ValueError):
    """A file that another version wrote, or that is none of ours."""


class Blobs:
    """Bytes by their SHA-256, written once.

    Parameters
    ----------
    folder : Path
        Where they stand; made when the first is written.
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
            content = key.value
        except ValueError:  # a closed buffer: the object was deleted
            content = b""
        digest = hashlib.sha256(content).hexdigest()
        if not (self._folder / digest).exists():
            write_whole(self._folder / digest, content)
        self._digests[key] = (version, digest)
        return digest

    def read(self, digest: str) -> bytes:
        """Return the bytes of `digest`."""
        return (self._folder / digest).read_bytes()

    def keep_only(self, digests: set[str]) -> None:
        """Remove what no object has any more."""
        for path in self._folder.glob("*"):
            if path.name not in digests:
                path.unlink()


class _Pickler(pickle.Pickler):
    """Takes what plain pickling cannot: objects' buffers, locks and private keys."""

    def __init__(self, file: Any, blobs: Blobs) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._blobs = blobs

    def persistent_id(self, thing: Any) -> tuple[str, ...] | None:
        """Name what is not in the file itself."""
        if type(thing) in _LOCKS:
            return ("lock", "RLock" if type(thing) is type(threading.RLock()) else "Lock")
        return None

    def reducer_override(self, thing: Any) -> Any:
        """Reduce an S3 object to its attributes and the digest of its content."""
        if isinstance(thing, FakeKey):
            left_out = ("_value_buffer", "lock")
            state = {name: each for name, each in thing.__dict__.items() if name not in left_out}
            return _bare, (type(thing),), {**state, "blob": self._blobs.digest(thing)}, None, None, _fill
        if isinstance(thing, RSAPrivateKey):
            der = thing.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            return load_der_private_key, (der, None)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, blobs: Blobs) -> None:
        super().__init__(file)
        self.blobs = blobs
        self.digests: set[str] = set()

    def persistent_load(self, name: Any) -> Any:
        return {"Lock": threading.Lock, "RLock": threading.RLock}[name[1]]()


def dump(backend: Any, blobs: Blobs) -> bytes:
    """Return `backend` as bytes.

    Raises
    ------
    TypeError, AttributeError, pickle.PicklingError
        If something in it cannot be kept.
    """
    file = io.BytesIO(HEADER)
    file.seek(len(HEADER))
    _Pickler(file, blobs).dump(backend)
    return file.getvalue()


def load(data: bytes, blobs: Blobs) -> tuple[Any, set[str]]:
    """Return a backend and the digests it refers to.

    Raises
    ------
    OtherStateError
        If the bytes are not of this version.
    """
    if not data.startswith(HEADER):
        raise OtherStateError(data[:80].partition(b"\n")[0].decode(errors="replace"))
    unpickler = _Unpickler(io.BytesIO(data[len(HEADER) :]), blobs)
    backend = unpickler.load()
    digests: set[str] = set()
    for key in _keys(backend):
        digest = key.__dict__.pop("blob")
        FakeKey.__setstate__(key, {**key.__dict__, "value": blobs.read(digest)})
        digests.add(digest)
    return backend, digests
