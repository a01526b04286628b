"""Measurements of answered requests, by minute of the service: counts and times."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.call import Answer
from tridock.emulators.clock import Clock

#: Minutes of the service that are kept, 34 days of them; Azure Monitor keeps 93 days.
KEPT = 50_000

#: Times are kept by steps of one percent: percentiles are right to half of that.
STEP = math.log(1.01)
LEAST_MS = 0.01

#: Dimensions of a measurement, sorted by name.
Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Series:
    """Series of measurements with the same dimensions.

    Attributes
    ----------
    resource : str
        Identifier in lower case.
    dimensions : tuple of (name, value)
        Sorted by name.
    """

    resource: str
    dimensions: Dimensions

    @classmethod
    def of(cls, resource: str, **dimensions: str) -> Series:
        """Return the series of a resource with these dimensions."""
        return cls(resource, tuple(sorted(dimensions.items())))


@dataclass
class Sample:
    """The requests of one series in one minute.

    Attributes
    ----------
    count : int
        Requests.
    total, least, most : float
        Of their milliseconds.
    steps : Counter of int
        How many took a time, by the number of its step.
    """

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = 0.0
    steps: Counter[int] = field(default_factory=Counter)

    def add(self, milliseconds: float) -> None:
        """Count one request."""
        self.count += 1
        self.total += milliseconds
        self.least, self.most = min(self.least, milliseconds), max(self.most, milliseconds)
        self.steps[round(math.log(max(milliseconds, LEAST_MS)) / STEP)] += 1

    def percentile(self, percent: float) -> float:
        """Return the time that `percent` of the requests took at most."""
        rank = math.ceil(self.count * percent / 100)
        for step in sorted(self.steps):
            rank -= self.steps[step]
            if rank <= 0:
                return min(max(math.exp(step * STEP), self.least), self.most)
        return self.most


#: Samples by the number of their minute, and by series.
Minutes = dict[int, dict[Series, Sample]]


def merged(samples: Iterable[Sample]) -> Sample:
    """Return several samples as one."""
    whole = Sample()
    for sample in samples:
        whole.count += sample.count
        whole.total += sample.total
        whole.least, whole.most = min(whole.least, sample.least), max(whole.most, sample.most)
        whole.steps.update(sample.steps)
    return whole


class Measurements:
    """Samples by minute and series, kept in a file of lines.

    Parameters
    ----------
    clock : Clock
        Says how long a minute of the service is.
    file : Path
        Where what was measured outlives the emulator.
    """

    def __init__(self, clock: Clock, file: Path) -> None:
        self.minute = clock.real(60.0)
        self._file = file
        self._fresh: Minutes = {}
        self._written: Minutes = {}
        self._lock = threading.Lock()

    def add(self, series: Series, milliseconds: float) -> None:
        """Count one request that was answered just now."""
        now = self.number(time.time())
        with self._lock:
            self._fresh.setdefault(now, {}).setdefault(series, Sample()).add(milliseconds)

    def number(self, moment: float) -> int:
        """Return the number of the minute that a moment, in seconds since 1970, falls into."""
        return math.floor(moment / self.minute)

    def of(self, resource: str, first: int, end: int) -> Iterator[tuple[int, Series, Sample]]:
        """Give what was measured of a resource in the minutes from `first` to before `end`."""
        whole: dict[tuple[int, Series], list[Sample]] = {}
        with self._lock:
            for minutes in (self._written, self._fresh):
                for number, series, sample in _all(minutes):
                    if first <= number < end and series.resource == resource:
                        whole.setdefault((number, series), []).append(sample)
            merged_samples = [(*key, merged(samples)) for key, samples in whole.items()]
        yield from sorted(merged_samples, key=lambda one: one[0])

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._fresh.clear()
            self._written.clear()
            self._file.unlink(missing_ok=True)

    def restore(self) -> None:
        """Read what was measured before."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        with self._lock:
            for one in filter(None, map(_read, lines)):
                series = Series(one["resource"], tuple(map(tuple, one["dimensions"])))
                self._keep(self.number(one["start"] + self.minute / 2), series, _sample(one))

    def write(self, *, all_of_it: bool = False) -> None:
        """Put the minutes on disk that are over, or all."""
        now = self.number(time.time()) + all_of_it
        with self._lock:
            due = {number: self._fresh.pop(number) for number in list(self._fresh) if number < now}
            if not due:
                return
            with self._file.open("a") as file:
                for number, series, sample in _all(due):
                    start = number * self.minute
                    line = json.dumps({"start": start, **vars(series), **vars(sample)})
                    file.write(f"{line}\n")
                    self._keep(number, series, sample)

    def _keep(self, number: int, series: Series, sample: Sample) -> None:
        held = self._written.setdefault(number, {})
        held[series] = merged([held[series], sample]) if series in held else sample
        if len(self._written) > KEPT:
            del self._written[next(iter(self._written))]


def _all(minutes: Minutes) -> Iterator[tuple[int, Series, Sample]]:
    for number, held in minutes.items():
        for series, sample in held.items():
            yield number, series, sample


def _read(line: str) -> Mapping[str, Any] | None:
    try:
        values: Mapping[str, Any] = json.loads(line)
    except ValueError:  # cut off by the emulator's end
        return None
    return values


def _sample(values: Mapping[str, Any]) -> Sample:
    steps = Counter({int(step): count for step, count in values["steps"].items()})
    return Sample(values["count"], values["total"], values["least"], values["most"], steps)


# Counts of one request, by the dimensions of Azure Monitor.

#: Header of an answer with the model's own status where that was no success.
MODEL_STATUS = "ms-azureml-model-error-statuscode"


@dataclass(frozen=True)
class Tally:
    """Counts requests as they are answered.

    Attributes
    ----------
    measurements : Measurements
        Where they are kept.
    """

    measurements: Measurements

    def asked(self, deployment: Resource, answer: Answer, began: float) -> None:
        """Count a client's request, of the endpoint and of the deployment that answered it.

        Parameters
        ----------
        began : float
            `time.perf_counter` when it came.
        """
        status = str(answer.status)
        series = Series.of(
            deployment.id.parent.key,
            deployment=deployment.id.name,
            statusCode=status,
            statusCodeClass=_class(status),
            modelStatusCode=_model_status(answer),
        )
        self.measurements.add(series, _since(began))
        self.copied(deployment, answer, began)

    def copied(self, deployment: Resource, answer: Answer, began: float) -> None:
        """Count what reached a deployment; a mirrored copy is no request to the endpoint.

        Which status the deployment's proxy sees is no document's word: the model's, if it gave one.
        """
        code = _model_status(answer) or str(answer.status)
        series = Series.of(deployment.id.key, envoy_response_code=code)
        self.measurements.add(series, _since(began))

    def passed(self, revision: ResourceId, answer: Answer, began: float) -> None:
        """Count a request to a container app; replicas are not distinguished."""
        status = str(answer.status)
        series = Series.of(
            revision.parent.key,
            revisionName=revision.name,
            statusCodeCategory=_class(status),
            statusCode=status,
        )
        self.measurements.add(series, _since(began))


def _model_status(answer: Answer) -> str:
    """Return the model's own status; empty where the service answered in its place."""
    return answer.headers.get(MODEL_STATUS) or ("200" if answer.status == 200 else "")


def _class(status: str) -> str:
    return f"{status[:1]}xx"


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
