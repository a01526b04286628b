"""State that outlives the emulator: a change of moto's state is on disk before its answer."""

from __future__ import annotations

import errno
import logging
import os
import pickle
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.s3.models import S3Backend, s3_backends
from moto.utilities.utils import get_partition

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.calls import Call
from tridock.emulators.aws.snapshot import (
    Blobs,
    OtherStateError,
    dump,
    load,
)
from tridock.emulators.place import remove_drafts, write_whole

log = logging.getLogger(__name__)

#: Operations that change nothing begin with one of these.
_READING = ("Get", "List", "Describe", "Head", "Search", "Simulate", "BatchGet", "Select", "Query")

#: Operations that remove something begin with one of these: they work on a full disk, too.
_REMOVING = ("Delete", "Stop", "Abort", "Deregister", "Untag", "Remove", "Detach")
#: Bytes that are kept free for removals, and that must be free beside a change.
RESERVE = 1 << 20
MARGIN = 1 << 18
#: How often a backend is read while other threads change it.
TRIES = 1000
#: Real seconds between two looks for what changed without a request: states of endpoints and jobs,
#: captured data.
INTERVAL = 1.0

#: boto3's names that moto's do not follow from by leaving out the dashes.
_NAMES = {"lambda": "awslambda"}


@dataclass(frozen=True)
class Place:
    """One backend: a service in an account and region (or partition, for global services)."""

    service: str
    account: str
    region: str


def install(cloud: Cloud) -> None:
    """Restore the state on disk, and write every change from now on."""
    keeper = Keeper(cloud, cloud.place.folder / "state")
    keeper.restore()
    cloud.before_change.append(keeper.check_space)
    cloud.on_change.append(keeper.changed)
    cloud.on_start.append(lambda: threading.Thread(target=keeper.run, daemon=True).start())
    cloud.on_reset.append(keeper.clear)
    cloud.on_stop.append(keeper.save_all)
    _watch_objects(keeper)


class Keeper:
    """Writes backends to files and reads them.

    Parameters
    ----------
    cloud : Cloud
        Whose clock and lock are used.
    folder : Path
        Folder of the files: ``<account>/<service>.<region>`` and ``blobs/<digest>``.
    """

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self._blobs = Blobs(folder / "blobs")
        self._reserve = folder.with_name("reserve")
        self._kept: dict[Place, _Kept] = {}
        self._dirty: set[Place] = set()
        self._lock = threading.RLock()

    def changed(self, call: Call) -> None:
        """Write the backends that `call` may have changed, before it is answered.

        Raises
        ------
        OSError
            If it cannot be written; then the change is taken back.
        """
        if call.operation.startswith(_READING):
            return
        service = _moto_name(call.service)
        for region in (call.region, get_partition(call.region)):
            place = Place(service, call.account, region)
            self.save(place, is_removal=call.operation.startswith(_REMOVING))
        if service == "sts":  # its sessions have keys in IAM, also in the accounts of their roles
            for place in list(_in_use()):
                if place.service in ("iam", "sts"):
                    self.save(place)

    def touch(self, place: Place) -> None:
        """Mark `place` to be written soon."""
        self._dirty.add(place)

    def save(self, place: Place, *, is_removal: bool = False) -> None:
        """Write one backend, if it is in use and changed.

        Changes that arrive while it is written share the next writing.

        Parameters
        ----------
        is_removal : bool
            Whether the change removes something: then it may use the space that is kept for it.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        backend = _backend(place)
        if backend is None:
            return
        kept = self._kept.setdefault(place, _Kept())
        change = kept.count()
        with self._lock:
            if kept.written >= change:
                return
            latest = kept.changes
            try:
                self._write(backend, kept, place)
            except OSError:
                if not is_removal:
                    self._take_back(place, kept)
                    raise
                # A removal must work on a full disk, too.
                self._reserve.unlink(missing_ok=True)
                self._write(backend, kept, place)
            kept.written = latest
            self._hold_reserve()

    def check_space(self, call: Call, size: int) -> None:
        """Return if a change can be written, before it is made.

        Parameters
        ----------
        size : int
            Bytes of the request's body.

        Raises
        ------
        OSError
            If the disk is full.
        """
        if call.operation.startswith((*_READING, *_REMOVING)):
            return
        kept = self._kept.get(Place(_moto_name(call.service), call.account, call.region), _Kept())
        needed = size + 2 * len(kept.data) + MARGIN
        if shutil.disk_usage(self._cloud.place.folder).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))

    def save_all(self) -> None:
        """Write every backend that is in use: the emulator ends."""
        for place in list(_in_use()):
            with self._written_later(place):
                self.save(place)

    def run(self) -> None:
        """Write changes that come without a request, until the emulator ends."""
        clock = self._cloud.clock
        while clock.sleep(INTERVAL * clock.speed):
            dirty, self._dirty = self._dirty, set()
            states = {place for place in _in_use() if place.service == "sagemaker"}
            for place in dirty | states:
                with self._written_later(place):
                    self.save(place)

    def clear(self) -> None:
        """Forget everything: the account was reset."""
        with self._lock:
            self._kept.clear()
            self._dirty.clear()
            if self._folder.exists():
                forgotten = self._folder.with_name(f"{self._folder.name}.reset.{time.time_ns()}")
                self._folder.rename(forgotten)
                threading.Thread(target=_remove, args=(forgotten,), daemon=True).start()

    def restore(self) -> None:
        """Put the state on disk into moto's backends, and put aside files that cannot be read."""
        for forgotten in self._folder.parent.glob(f"{self._folder.name}.reset.*"):
            _remove(forgotten)
        remove_drafts(self._folder)
        used: set[str] = set()
        unreadable: list[str] = []
        for path in sorted(self._folder.glob("*/*.*")):
            try:
                loaded = load(path.read_bytes(), self._blobs)
            except OtherStateError as error:
                unreadable.append(self._put_aside(path, str(error)))
                continue
            used |= loaded.digests
            unreadable += [
                f"object {name} is lost: its content is not whole" for name in loaded.lost
            ]
            service, _, region = path.name.partition(".")
            dict.__setitem__(_backends(service)[path.parent.name], region, loaded.backend)
            for bucket in loaded.backend.buckets.values() if service == "s3" else ():
                # Where moto looks a name up: else CreateBucket makes it anew, and empty.
                s3_backends.bucket_accounts[bucket.name] = (bucket.partition, path.parent.name)
            place = Place(service, path.parent.name, region)
            self._kept[place] = _Kept(digests=frozenset(loaded.digests))
        for notice in unreadable:
            log.warning("%s", notice)
        if unreadable:
            self._cloud.place.notices.write_text("".join(f"{notice}\n" for notice in unreadable))
        if not list(self._folder.parent.glob(f"{self._folder.name}.[0-9]*")):
            self._blobs.keep_only(used)  # files put aside refer to contents, too

    def _write(self, backend: Any, kept: _Kept, place: Place) -> None:
        """Write a backend if it changed, and remove contents without references."""
        dumped = self._dump(backend, kept, place)
        if dumped is None or dumped[0] == kept.data:
            return
        kept.data, before = b"", kept.digests
        elsewhere = [other.digests for at, other in self._kept.items() if at != place]
        try:
            write_whole(self._path(place), dumped[0])
        except OSError:
            self._blobs.remove(dumped[1].difference(before, *elsewhere))
            raise
        kept.data, kept.digests = dumped
        self._blobs.remove(before.difference(kept.digests, *elsewhere))

    def _dump(self, backend: Any, kept: _Kept, place: Place) -> tuple[bytes, frozenset[str]] | None:
        for _ in range(TRIES):
            try:
                with self._cloud.lock:
                    return dump(backend, self._blobs)
            except RuntimeError:  # another thread changed a dict: again
                time.sleep(0.001)
            except (TypeError, AttributeError, pickle.PicklingError) as error:
                if not kept.refused:
                    log.warning("%s is not kept over restarts: %s", place.service, error)
                kept.refused = True
                return None
        log.warning("%s changes too often to be written: it is written later", place.service)
        self.touch(place)
        return None

    def _hold_reserve(self) -> None:
        """Reserve space for removals, if the disk has some."""
        if not self._reserve.exists():
            with suppress(OSError):
                write_whole(self._reserve, b"\0" * RESERVE)

    def _path(self, place: Place) -> Path:
        return self._folder / place.account / f"{place.service}.{place.region}"

    def _take_back(self, place: Place, kept: _Kept) -> None:
        """Restore a backend in memory from the disk: its change could not be written.

        SageMaker's records stay, since threads work on them: they are written with the next change.
        """
        self.touch(place)
        if place.service == "sagemaker":
            return
        regions: Any = dict.get(_backends(place.service), place.account)
        if self._path(place).exists():
            data = self._path(place).read_bytes()
            dict.__setitem__(regions, place.region, load(data, self._blobs).backend)
        else:
            dict.pop(regions, place.region, None)

    @contextmanager
    def _written_later(self, place: Place) -> Iterator[None]:
        """Log that a backend could not be written, and have it written later."""
        try:
            yield
        except OSError as error:
            self.touch(place)
            log.warning("%s is not written: %s", place.service, error)

    def _put_aside(self, path: Path, why: str) -> str:
        """Move a file that cannot be read, and return the warning."""
        aside = self._folder.with_name(f"{self._folder.name}.{int(time.time())}") / path.parent.name
        aside.mkdir(parents=True, exist_ok=True)
        path.rename(aside / path.name)
        return f"{path.parent.name}/{path.name} cannot be read ({why}): put aside in {aside}"


@dataclass
class _Kept:
    """The state on disk of one backend, and the number of its changes there."""

    data: bytes = b""
    digests: frozenset[str] = frozenset()
    changes: int = 0
    written: int = 0
    refused: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> int:
        """Count a change and return its number."""
        with self._lock:
            self.changes += 1
            return self.changes


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _watch_objects(keeper: Keeper) -> None:
    """Mark objects that the emulator itself puts: captured data, results of jobs."""
    put = S3Backend.put_object

    def put_object(self: S3Backend, *given: Any, **named: Any) -> Any:
        made = put(self, *given, **named)
        keeper.touch(Place("s3", self.account_id, self.partition))
        return made

    S3Backend.put_object = put_object  # type: ignore[method-assign]


def _in_use() -> Iterator[Place]:
    instances: list[Any] = BackendDict._instances  # type: ignore[misc]
    for backends in list(instances):
        for account, regions in list(backends.items()):
            for region in list(regions.keys()):
                yield Place(_moto_name(backends.service_name), account, region)


def _moto_name(service: str) -> str:
    return _NAMES.get(service, service.replace("-", ""))


def _backend(place: Place) -> Any:
    """Return a backend that exists already; asking moto would make one."""
    try:
        backends = _backends(place.service)
    except (ImportError, KeyError):
        return None
    regions = dict.get(backends, place.account)
    return dict.get(regions, place.region) if regions is not None else None


def _backends(service: str) -> Any:
    backends: Any = get_backend(service)  # type: ignore[call-overload]
    return backends
