"""Measurements of predictions where they are answered: requests and latencies, by minute."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from tridock.emulators.clock import Clock
from tridock.emulators.gcp.core.histogram import Histogram
from tridock.emulators.gcp.protocol.errors import GcpError
from tridock.emulators.gcp.protocol.names import Record
from tridock.emulators.gcp.state.database import Change, Database, NotWrittenError

ENDPOINT = "aiplatform.googleapis.com/Endpoint"
REVISION = "cloud_run_revision"
#: Of the records in the database.
KIND = "minutes"
#: Minutes that are kept of each origin and status.
KEPT = 10_000

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Origin:
    """Origin of an answer.

    Attributes
    ----------
    resource : str
        Type of the monitored resource.
    resource_labels, labels : tuple of (str, str)
        Of the resource, and of every metric of it.
    project : str
        Number or id, as the resource's name has it.
    """

    resource: str
    resource_labels: Labels
    labels: Labels
    project: str


@dataclass
class Tally:
    """Measurements of one minute.

    Attributes
    ----------
    latencies : dict of str to Histogram
        Milliseconds: the total, until the model answered (``model``), and the rest (``overhead``).
    """

    requests: int = 0
    predictions: int = 0
    latencies: dict[str, Histogram] = field(default_factory=dict)


@dataclass(frozen=True)
class Minute:
    """One minute of one origin's answers with one status; times in seconds since 1970."""

    origin: Origin
    status: int
    start: float
    end: float
    tally: Tally


class Meter:
    """All measurements of one emulated cloud.

    Parameters
    ----------
    clock : Clock
        Its minutes are counted in, from 1970 on.
    database : Database
        Keeps them; those of a clock of another speed stay unread.
    now : callable
        Seconds since 1970.
    """

    def __init__(
        self, clock: Clock, database: Database, now: Callable[[], float] = time.time
    ) -> None:
        self._width = clock.real(60.0)
        self.clock = clock
        self.now = now
        self._database = database
        self._tallies: dict[tuple[Origin, int], dict[int, Tally]] = {}
        self._changed: set[tuple[Origin, int, int]] = set()
        self._lock = threading.Lock()
        for _, text in database.load(KIND):
            self._read(json.loads(text))

    def add(self, origin: Origin, status: int, latencies: dict[str, float], count: int) -> None:
        """Count a request that has just ended, with its predictions."""
        with self._lock:
            minutes = self._tallies.setdefault((origin, status), {})
            tally = minutes.setdefault(int(self.now() // self._width), Tally())
            self._changed.add((origin, status, int(self.now() // self._width)))
            tally.requests += 1
            tally.predictions += count
            for name, value in latencies.items():
                one = Histogram.of(value)
                tally.latencies[name] = tally.latencies.get(name, Histogram()) + one
            if len(minutes) > KEPT:
                oldest = next(iter(minutes))
                del minutes[oldest]
                self._changed.add((origin, status, oldest))

    def minutes(self, resource: str, delay: float) -> list[Minute]:
        """Return the minutes that ended at least `delay` seconds of the service ago."""
        latest = self.now() - self.clock.real(delay)
        with self._lock:
            return [
                Minute(origin, status, n * self._width, (n + 1) * self._width, tally)
                for (origin, status), minutes in self._tallies.items()
                if origin.resource == resource
                for n, tally in minutes.items()
                if (n + 1) * self._width <= latest
            ]

    def flush(self) -> None:
        """Write the minutes that have changed since the last time.

        Raises
        ------
        NotWrittenError
            If the disk is full; they stay to be written.
        """
        with self._lock:
            changed = self._changed
            changes = [self._written(*key) for key in changed]
            self._changed = set()
        try:
            self._database.write(changes)
        except NotWrittenError:
            with self._lock:
                self._changed |= changed
            raise

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._tallies.clear()
            self._changed.clear()
            self._database.clear([KIND])

    def _written(self, origin: Origin, status: int, number: int) -> Change:
        key = {"origin": asdict(origin), "status": status, "number": number, "width": self._width}
        tally = self._tallies.get((origin, status), {}).get(number)
        body = json.dumps(key | {"tally": _plain(tally)}) if tally else None
        return KIND, json.dumps(key), body

    def _read(self, record: Record) -> None:
        if record["width"] != self._width:
            return
        origin = record["origin"]
        for name in ("resource_labels", "labels"):
            origin[name] = tuple((key, value) for key, value in origin[name])
        tally = record["tally"]
        for name, one in tally["latencies"].items():
            buckets = Counter({int(bucket): count for bucket, count in one["buckets"].items()})
            tally["latencies"][name] = Histogram(**one | {"buckets": buckets})
        minutes = self._tallies.setdefault((Origin(**origin), record["status"]), {})
        minutes[record["number"]] = Tally(**tally)


def _plain(tally: Tally) -> Record:
    latencies = tally.latencies.items()
    plain = {name: vars(one) | {"buckets": dict(one.buckets)} for name, one in latencies}
    return vars(tally) | {"latencies": plain}


class Measurement:
    """One request on its way."""

    def __init__(self, meter: Meter, origin: Origin) -> None:
        self._meter = meter
        self._origin = origin
        self._began = time.perf_counter()
        self._answered: float | None = None

    def answered(self) -> None:
        """Note that the model has answered, or has begun to."""
        self._answered = time.perf_counter()

    def end(self, status: int, predictions: int = 0) -> None:
        """Count the request: it is answered whole."""
        total = (time.perf_counter() - self._began) * 1000
        model = (self._answered - self._began) * 1000 if self._answered else total
        latencies = {"total": total, "model": model, "overhead": total - model}
        self._meter.add(self._origin, status, latencies, predictions)

    def through(self, parts: Iterable[bytes], status: int) -> Iterator[bytes]:
        """Yield the parts of an answer, and count it at its end."""
        self.answered()
        try:
            yield from parts
        finally:
            # The body of a request is the model's own business: it counts as one prediction.
            self.end(status, int(status < 400))


@contextmanager
def measured(meter: Meter, origin: Origin) -> Iterator[Measurement]:
    """Measure a request that the block answers; an error of ours ends it."""
    measurement = Measurement(meter, origin)
    try:
        yield measurement
    except GcpError as error:
        measurement.end(error.http)
        raise


def of_deployed(endpoint: Record, deployed: Record) -> Origin:
    """Return the origin of a deployed model's answers."""
    _, project, _, location, _, key = endpoint["name"].split("/")
    labels = {
        "deployed_model_id": deployed["id"],
        "endpoint_display_name": endpoint.get("displayName", ""),
        "model_display_name": deployed.get("displayName", ""),
        "spot": "False",
    }
    where = {"resource_container": project, "location": location, "endpoint_id": key}
    return Origin(ENDPOINT, tuple(where.items()), tuple(labels.items()), project)


def of_revision(service: str, revision: str) -> Origin:
    """Return the origin of a revision's answers, by the service's name and the revision's id."""
    _, project, _, location, _, key = service.split("/")
    where = {
        "project_id": project,
        "location": location,
        "service_name": key,
        "revision_name": revision,
        "configuration_name": key,
    }
    return Origin(REVISION, tuple(where.items()), (("route", key),), project)
