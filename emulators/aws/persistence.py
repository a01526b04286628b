"""State that outlives the emulator: what moto holds is on disk before a change is answered."""

from __future__ import annotations

import logging
import pickle
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.s3.models import S3Backend
from moto.utilities.utils import get_partition

from emulators.aws.calls import Call
from emulators.aws.cloud import Cloud
from emulators.aws.snapshot import Blobs, OtherStateError, dump, load, write_whole

log = logging.getLogger(__name__)

#: Operations that change nothing begin with one of these.
_READING = ("Get", "List", "Describe", "Head", "Search", "Simulate", "BatchGet", "Select", "Query")

#: A backend that took longer than this to write, in real seconds, is written behind the answers.
SLOW = 0.05
#: Real seconds between two looks for what changed without a request: states of endpoints and jobs,
#: captured data, what is waiting because it is slow.
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
    """Bring back what was kept, and keep what changes from now on."""
    keeper = Keeper(cloud, cloud.place.folder / "state")
    keeper.restore()
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
        Where the files stand: ``<account>/<service>.<region>`` and ``blobs/<digest>``.
    """

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self._blobs = Blobs(folder / "blobs")
        self._kept: dict[Place, _Kept] = {}
        self._dirty: set[Place] = set()
        self._lock = threading.RLock()

    def changed(self, call: Call) -> None:
        """Write what `call` may have changed."""
        if call.operation.startswith(_READING):
            return
        service = _moto_name(call.service)
        for region in (call.region, get_partition(call.region)):
            place = Place(service, call.account, region)
            if self._slow(place):
                self.touch(place)
            else:
                self.save(place)

    def touch(self, place: Place) -> None:
        """Have `place` written soon."""
        self._dirty.add(place)

    def save(self, place: Place) -> None:
        """Write one backend, if it is in use and changed."""
        backend = _backend(place)
        if backend is None:
            return
        with self._lock:
            began = time.monotonic()
            kept = self._kept.setdefault(place, _Kept())
            data = self._dump(backend, kept, place)
            if data is not None and data != kept.data:
                write_whole(self._folder / place.account / f"{place.service}.{place.region}", data)
                kept.data = data
            kept.seconds = time.monotonic() - began

    def save_all(self) -> None:
        """Write every backend that is in use: the emulator ends."""
        for place in list(_in_use()):
            self.save(place)

    def run(self) -> None:
        """Write what changes without a request, until the emulator ends."""
        clock = self._cloud.clock
        while clock.sleep(INTERVAL * clock.speed):
            dirty, self._dirty = self._dirty, set()
            states = {place for place in _in_use() if place.service == "sagemaker"}
            for place in dirty | states:
                self.save(place)

    def clear(self) -> None:
        """Forget everything: the account was reset."""
        with self._lock:
            self._kept.clear()
            self._dirty.clear()
            shutil.rmtree(self._folder, ignore_errors=True)

    def restore(self) -> None:
        """Put what was kept into moto's backends."""
        used: set[str] = set()
        for path in sorted(self._folder.glob("*/*.*")):
            try:
                backend, digests = load(path.read_bytes(), self._blobs)
            except OtherStateError as error:
                self._put_aside(str(error))
                return
            used |= digests
            service, _, region = path.name.partition(".")
            dict.__setitem__(_backends(service)[path.parent.name], region, backend)
        self._blobs.keep_only(used)

    def _dump(self, backend: Any, kept: _Kept, place: Place) -> bytes | None:
        for _ in range(5):
            try:
                with self._cloud.lock:
                    return dump(backend, self._blobs)
            except RuntimeError:  # another thread changed a dict: again
                continue
            except (TypeError, AttributeError, pickle.PicklingError) as error:
                if not kept.refused:
                    log.warning("%s is not kept over restarts: %s", place.service, error)
                kept.refused = True
                return None
        self.touch(place)
        return None

    def _slow(self, place: Place) -> bool:
        return place in self._kept and self._kept[place].seconds > SLOW

    def _put_aside(self, what: str) -> None:
        aside = self._folder.with_name(f"{self._folder.name}.{int(time.time())}")
        log.warning("state of another version (%s) is put aside in %s", what, aside)
        self._folder.rename(aside)


@dataclass
class _Kept:
    """What is on disk of one backend, and how long writing it took."""

    data: bytes = b""
    seconds: float = 0.0
    refused: bool = field(default=False)


def _watch_objects(keeper: Keeper) -> None:
    """Notice objects that the emulator itself puts: captured data, results of jobs."""
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
    found: Any = get_backend(service)  # type: ignore[call-overload]
    return found
