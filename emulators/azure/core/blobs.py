"""Blobs on this machine's disk: containers of named bytes with metadata."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

#: Every blob's attributes, by container, in what JSON can hold.
State = dict[str, list[dict[str, Any]]]


#: Folder of a container's blocks that no list has named yet, and the ending of half-written ones.
STAGED = ".blocks"
DRAFT = ".draft"


@dataclass(frozen=True)
class Blob:
    """One blob.

    Attributes
    ----------
    name : str
        With slashes.
    path : Path
        File that holds its bytes; a new one for every version, so that readers are not disturbed.
    size : int
        Bytes.
    media_type : str
        Content type as the client set it.
    metadata : Mapping[str, str]
        The client's own pairs.
    modified : float
        Seconds since the epoch.
    etag : str
        Changes with every write.
    """

    name: str
    path: Path
    size: int
    media_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    modified: float = field(default_factory=time.time)
    etag: str = field(default_factory=lambda: f'"0x{uuid.uuid4().hex[:15].upper()}"')


class Blobs:
    """The containers of one storage account.

    Parameters
    ----------
    folder : Path
        Their files; what no `put` names again after a start is dead weight.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._containers: dict[str, dict[str, Blob]] = {}
        self._replaced: list[Path] = []
        self._lock = threading.RLock()
        self.changes = 0
        folder.mkdir(parents=True, exist_ok=True)

    def create(self, container: str) -> bool:
        """Make a container; False if it exists already."""
        with self._lock:
            if container in self._containers:
                return False
            self._containers[container] = {}
            self.changes += 1
        (self._folder / container).mkdir(parents=True, exist_ok=True)
        return True

    def remove(self, container: str) -> None:
        """Remove a container and its blobs."""
        with self._lock:
            self._containers.pop(container, None)
            self.changes += 1
        shutil.rmtree(self._folder / container, ignore_errors=True)

    def containers(self) -> list[str]:
        """Return the names of the containers."""
        with self._lock:
            return sorted(self._containers)

    def has(self, container: str) -> bool:
        """Tell whether a container exists."""
        with self._lock:
            return container in self._containers

    def write(self, container: str, name: str, parts: Iterable[bytes], **about: str) -> Blob:
        """Keep a blob, in the place of an older one.

        Parameters
        ----------
        parts : Iterable of bytes
            Its content, in order.
        **about : str
            ``media_type``, and metadata by name.
        """
        media_type = about.pop("media_type", "application/octet-stream")
        stem = hashlib.sha256(name.encode()).hexdigest()[:24]
        path = self._folder / container / f"{stem}-{uuid.uuid4().hex[:8]}"
        _write(path, parts)
        return self.put(container, Blob(name, path, path.stat().st_size, media_type, about))

    def put(self, container: str, blob: Blob) -> Blob:
        """Keep a blob whose bytes are on disk."""
        with self._lock:
            before = self._containers[container].get(blob.name)
            self._containers[container][blob.name] = blob
            self.changes += 1
            if before and before.path != blob.path:
                self._replaced.append(before.path)
        return blob

    def append(self, container: str, name: str, data: bytes) -> None:
        """Add bytes to the end of a blob, made if it is not there."""
        with self._lock:
            before = self.get(container, name)
            parts = [before.path.read_bytes(), data] if before else [data]
            self.write(container, name, parts)

    def get(self, container: str, name: str) -> Blob | None:
        """Return a blob, if it exists."""
        with self._lock:
            return self._containers.get(container, {}).get(name)

    def delete(self, container: str, name: str) -> bool:
        """Remove a blob; False if there was none."""
        with self._lock:
            blob = self._containers.get(container, {}).pop(name, None)
            self.changes += 1
            if blob:
                self._replaced.append(blob.path)
        return blob is not None

    def replaced(self) -> list[Path]:
        """Return the files that no blob names any more: what is on disk may still name them."""
        with self._lock:
            return list(self._replaced)

    def discard(self, paths: Iterable[Path]) -> None:
        """Remove files of `replaced`, once nothing on disk names them."""
        for path in paths:
            path.unlink(missing_ok=True)
        with self._lock:
            self._replaced = [path for path in self._replaced if path not in set(paths)]

    def list(self, container: str, prefix: str = "") -> list[Blob]:
        """Return the blobs whose names start with `prefix`, by name."""
        with self._lock:
            blobs = [b for b in self._containers[container].values() if b.name.startswith(prefix)]
        return sorted(blobs, key=lambda blob: blob.name)

    def stage(self, container: str, name: str, block: str, data: bytes) -> None:
        """Keep one block of a blob until the list of blocks is put."""
        folder = self._staged(container, name)
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{uuid.uuid4().hex}{DRAFT}"
        _write(draft, [data])
        draft.rename(folder / quote(block, safe=""))

    def blocks(self, container: str, name: str) -> dict[str, Path]:
        """Return the files of the staged blocks of a blob."""
        staged = self._staged(container, name).glob("*")
        return {unquote(path.name): path for path in staged if path.suffix != DRAFT}

    def forget_blocks(self, container: str, name: str) -> None:
        """Remove the staged blocks of a blob."""
        shutil.rmtree(self._staged(container, name), ignore_errors=True)

    def sweep(self) -> None:
        """Remove the files of blobs that no `put` named: writes that a kill cut short."""
        with self._lock:
            named = {blob.path for blobs in self._containers.values() for blob in blobs.values()}
        for path in self._folder.rglob("*"):
            is_staged = STAGED in path.parts and path.suffix != DRAFT
            if path.is_file() and path not in named and not is_staged:
                path.unlink()

    def _staged(self, container: str, name: str) -> Path:
        stem = hashlib.sha256(name.encode()).hexdigest()[:24]
        return self._folder / container / STAGED / stem

    def export(self, container: str, prefix: str, to: Path) -> Path:
        """Copy a blob, or all below a path, to a directory; return what mirrors `prefix`."""
        clean = prefix.strip("/")
        root = to / Path(clean).name if clean else to
        to.mkdir(parents=True, exist_ok=True)
        for blob in self.list(container, clean):
            rest = blob.name[len(clean) :]
            if rest and clean and not rest.startswith("/"):
                continue
            out = (root / rest.strip("/") if rest else root).resolve()
            if not out.is_relative_to(to.resolve()):
                raise ValueError(f"blob {blob.name!r} leaves the directory")
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(blob.path, out)
        return root

    def state(self) -> State:
        """Describe every blob, by container, in what JSON can hold."""
        with self._lock:
            return {
                container: [{**vars(blob), "path": str(blob.path)} for blob in blobs.values()]
                for container, blobs in self._containers.items()
            }

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            self.changes += 1
            self._containers.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)


def _write(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file whole, or leave none behind."""
    try:
        with path.open("wb") as file:
            for part in parts:
                file.write(part)
    except OSError:
        path.unlink(missing_ok=True)
        raise
