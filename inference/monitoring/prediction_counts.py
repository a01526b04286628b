"""Counts of the model's predictions, and a few of the rows they were for."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import orjson

from tridock.inference.bundle.baseline import Numeric, Statistics

if TYPE_CHECKING:
    from tridock.inference.data.table import Table

#: Most different predictions that are named; of more, none is.
MOST_LABELS = 50
#: Predictions that are counted at once: one by one, each would cost more.
TOGETHER = 4096
#: What a script's answer may consist of, beside lists of several outputs, to be counted.
PLAIN = {str, int, float, bool, type(None)}
#: Rows that are kept to see how sure the model was.
SAMPLE = 100


@dataclass(frozen=True)
class Count:
    """Predictions since the count before.

    Attributes
    ----------
    rows : int
        Rows predicted.
    predictions : Mapping[str, int] or None
        How often each came; None where they are too many.
    sample : sequence of Table
        Some of the rows, each as a table of one.
    """

    rows: int
    predictions: Mapping[str, int] | None
    sample: Sequence[Table]


class PredictionCounts:
    """Counts predictions, a batch at a time; safe to use from several threads.

    Parameters
    ----------
    baseline : Statistics, optional
        Of the predictions at packaging: numbers are counted by its bins.
    """

    def __init__(self, baseline: Statistics | None = None) -> None:
        self._baseline = baseline
        self._dice = Random()
        self._lock = threading.Lock()
        self._begin()

    @property
    def rows(self) -> int:
        """Number of rows since the last count."""
        return self._rows

    def take(self, table: Table, values: Sequence[Any]) -> None:
        """Count a batch.

        Parameters
        ----------
        table : Table
            The rows.
        values : sequence
            What `Answers.values` gave for them.
        """
        if values and type(values[0]) is dict:
            values = [value["prediction"] for value in values]
        with self._lock:
            self._sample.see(table)
            self._count(values)

    def read(self, body: bytes) -> None:
        """Count the answer of a user's script, where it has the form of predictions."""
        values = _predictions(body)
        if values:
            with self._lock:
                self._count(values)

    def draw(self) -> Count:
        """Return what came since the last time."""
        with self._lock:
            self._settle()
            drawn = Count(self._rows, self._kinds.content(), self._sample.kept)
            self._begin()
            return drawn

    def _count(self, values: Sequence[Any]) -> None:
        self._rows += len(values)
        self._waiting += values
        if len(self._waiting) >= TOGETHER:
            self._settle()

    def _begin(self) -> None:
        self._rows = 0
        self._waiting: list[Any] = []
        self._kinds = _kinds(self._baseline)
        self._sample = Reservoir(SAMPLE, self._dice)

    def _settle(self) -> None:
        values, self._waiting = self._waiting, []
        self._kinds.add(values)


class _Kinds(Protocol):
    def add(self, values: Sequence[Any]) -> None: ...

    def content(self) -> Mapping[str, int] | None: ...


class _Labels:
    """Counts each prediction by itself, as long as they are few."""

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()

    def add(self, values: Sequence[Any]) -> None:
        if len(self._counts) > MOST_LABELS:
            return
        if values and type(values[0]) is list:  # several outputs
            values = [json.dumps(value) for value in values]
        self._counts.update(values)

    def content(self) -> Mapping[str, int] | None:
        if len(self._counts) > MOST_LABELS:
            return None
        return {_label(value): count for value, count in self._counts.items()}


class _Bins:
    """Counts numbers by a baseline's bins, each named by the number it begins with."""

    def __init__(self, edges: Sequence[float]) -> None:
        # Numbers below or above all bins belong to the nearest one.
        self._begins = (math.nextafter(edges[0], -math.inf), *edges[:-1])
        self._begins += (math.nextafter(edges[-1], math.inf),)
        self._edges = np.array(edges)
        self._counts = np.zeros(len(self._begins), dtype=np.int64)

    def add(self, values: Sequence[Any]) -> None:
        known = [value for value in values if isinstance(value, int | float)]
        numbers = np.array(known, dtype=np.float64)
        bins = np.searchsorted(self._edges, numbers, side="right")
        bins[numbers == self._edges[-1]] -= 1  # the last bin includes its upper edge
        self._counts += np.bincount(bins, minlength=len(self._counts))

    def content(self) -> Mapping[str, int]:
        counted = zip(self._begins, self._counts.tolist(), strict=True)
        return {json.dumps(begin): count for begin, count in counted if count}


def _kinds(baseline: Statistics | None) -> _Kinds:
    if isinstance(baseline, Numeric) and len(baseline.edges) > 1:
        return _Bins(baseline.edges)
    return _Labels()


def _predictions(body: bytes) -> Sequence[Any]:
    """Return the predictions in an answer: one for each row, or a single one; none elsewhere."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ()
    if isinstance(content, dict):
        content = content.get(
            "predictions", [content["prediction"]] if "prediction" in content else ()
        )
    kinds = {type(one) for one in content} if isinstance(content, list) else set()
    return content if kinds and (kinds <= PLAIN or kinds == {list}) else ()


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# A few of the rows that pass, every one as likely as any other.

#: Keeps logarithms finite.
TINY = 1e-12


class Reservoir:
    """Keeps a sample of the rows it sees.

    It draws how many rows to let pass before the next one is kept, so that most of them cost
    nothing (Li 1994, "Reservoir-Sampling Algorithms of Time Complexity O(n(1 + log(N/n)))",
    algorithm L).

    Parameters
    ----------
    size : int
        Most rows to keep.
    dice : Random
        Draws.
    """

    def __init__(self, size: int, dice: Random) -> None:
        self.kept: list[Table] = []
        self.seen = 0
        self._size = size
        self._dice = dice
        self._next = 0
        self._weight = 1.0

    def see(self, table: Table) -> None:
        """Look at the rows of a table; what is kept of it is copied."""
        first = self.seen
        self.seen += table.count
        while self._next < self.seen:
            self._keep(table.copied(self._next - first))

    def _keep(self, row: Table) -> None:
        if len(self.kept) < self._size:
            self.kept.append(row)
        else:
            self.kept[self._dice.randrange(self._size)] = row
        self._next += 1
        if len(self.kept) == self._size:
            self._weight *= math.exp(math.log(self._draw()) / self._size)
            self._next += int(math.log(self._draw()) / math.log1p(-self._weight))

    def _draw(self) -> float:
        return self._dice.uniform(TINY, 1 - TINY)
