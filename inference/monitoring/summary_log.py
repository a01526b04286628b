"""Now and then a line of the log on what the model answered."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import orjson

from tridock.inference.errors import RequestError
from tridock.inference.model.model import Model
from tridock.inference.monitoring.prediction_counts import Count, PredictionCounts

if TYPE_CHECKING:
    from tridock.inference.data.table import Table
    from tridock.inference.model.model import Array, Model

#: This share of the time may be spent on finding out how sure the model is.
SHARE = 0.004
#: A longer line may be torn by what another process writes (POSIX, «write», PIPE_BUF).
LONGEST = 4096


class SummaryLog:
    """Has a line for the log, once in a while in which requests came; used from one event loop.

    Parameters
    ----------
    counted : callable
        Returns what counts, and the model to ask how sure it is, if there is one; None before
        the first request.
    write : callable
        Takes a line of the log.
    seconds : float
        Time between two lines.
    """

    def __init__(
        self,
        counted: Callable[[], tuple[PredictionCounts, Model | None] | None],
        write: Callable[[bytes], None],
        *,
        seconds: float,
    ) -> None:
        self._counted = counted
        self._write = write
        self._seconds = seconds
        self._due = time.monotonic() + seconds
        self._making: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Begin the next line if it is due; called often."""
        if time.monotonic() < self._due or (self._making and not self._making.done()):
            return
        self._due = time.monotonic() + self._seconds
        if self._has_news():
            self._making = asyncio.create_task(self._tell())

    async def close(self) -> None:
        """Write what is left, when nothing is predicted any more."""
        if self._making:
            await self._making
        if self._has_news():
            await self._tell()

    def _has_news(self) -> bool:
        counted = self._counted()
        return counted is not None and counted[0].rows > 0

    async def _tell(self) -> None:
        counted = self._counted()
        if counted:
            seconds = SHARE * self._seconds
            self._write(await asyncio.to_thread(line, *counted, seconds))


def line(prediction_counts: PredictionCounts, model: Model | None, seconds: float) -> bytes:
    """Return the line on what came since the last one, and a line feed.

    Parameters
    ----------
    prediction_counts : PredictionCounts
        Counted; it begins anew.
    model : Model or None
        The model whose confidence is measured by a sample.
    seconds : float
        Seconds that this may take, about.
    """
    now, count = datetime.now(UTC), prediction_counts.draw()
    sample = list(count.sample)
    random.shuffle(sample)
    counted = unsure(model, sample, seconds=seconds) if model else None
    looked_at, low = counted or (None, None)
    fields = {
        "event": "predictions",
        "time": now.isoformat(timespec="milliseconds"),
        "rows": count.rows,
        "low_confidence": low,
        "looked_at": looked_at,
    }
    return _fitting(fields, count)


def _fitting(fields: dict[str, object], count: Count) -> bytes:
    whole = orjson.dumps({**fields, "predictions": count.predictions}) + b"\n"
    return whole if len(whole) <= LONGEST else orjson.dumps({**fields, "predictions": None}) + b"\n"


# How sure a model is of its answers.


def threshold(classes: int) -> float:
    """Return the probability below which the most likely of `count` classes is unsure.

    It is halfway from a guess to certainty: 0.75 of two classes, 0.67 of three, 0.5 of very many.
    """
    return (1 + 1 / classes) / 2


def unsure(model: Model, sample: Sequence[Table], *, seconds: float) -> tuple[int, int] | None:
    """Ask a model for the probabilities of some rows, for as long as there is time.

    Parameters
    ----------
    sample : sequence of Table
        Rows that the model takes, each as a table of one, in an order that says nothing.
    seconds : float
        No more are predicted where that would probably take longer. One always is.

    Returns
    -------
    tuple or None
        The rows that were predicted, and those of which the model was unsure: the largest
        probability is below `threshold`, of several outputs that of any. None where a model gives
        no probabilities.
    """
    if not model.output.probabilities or not sample:
        return None
    end, rows, low = time.perf_counter() + seconds, 0, 0
    for some in _doubling(sample):
        start = time.perf_counter()
        try:
            low += sum(_low(model, table) for table in _tables(some))
        except RequestError:  # it gives some rows none, though it had an answer for each
            return None
        rows += len(some)
        now = time.perf_counter()
        if now + 2 * (now - start) > end:
            break
    return rows, low


def _doubling(sample: Sequence[Table]) -> Iterator[Sequence[Table]]:
    start, size = 0, 1
    while start < len(sample):
        yield sample[start : start + size]
        start, size = start + size, 2 * size


def _tables(some: Sequence[Table]) -> Iterator[Table]:
    kinds: dict[Hashable, list[Table]] = {}
    for one in some:
        kinds.setdefault(one.kind, []).append(one)
    return (first.followed_by(others) for first, *others in kinds.values())


def _low(model: Model, table: Table) -> int:
    shares = model.answers(table, probabilities=True).shares
    each = shares if isinstance(shares, tuple) else (shares,)
    return int(np.logical_or.reduce([_is_low(one) for one in each if one is not None]).sum())


def _is_low(shares: Array) -> Array:
    sure: Array = shares.max(axis=1) >= threshold(shares.shape[1])
    return ~sure  # nor is NaN sure
