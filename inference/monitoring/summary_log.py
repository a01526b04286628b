"""Now and then a line of the log on what the model answered."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import orjson

from tridock.inference.model.model import Model
from tridock.inference.monitoring import confidence
from tridock.inference.monitoring.prediction_counts import Census, Count

#: This share of the time may be spent on finding out how sure the model is.
SHARE = 0.004
#: A longer line may be torn by what another process writes (POSIX, «write», PIPE_BUF).
LONGEST = 4096


class Bulletin:
    """Has a line for the log, once in a while in which requests came; used from one event loop.

    Parameters
    ----------
    counted : callable
        Returns what counts, and the model to ask how sure it is, if there is one; None before
        anything was asked.
    write : callable
        Takes a line of the log.
    seconds : float
        Time between two lines.
    """

    def __init__(
        self,
        counted: Callable[[], tuple[Census, Model | None] | None],
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


def line(census: Census, model: Model | None, seconds: float) -> bytes:
    """Return the line on what came since the last one, and a line feed.

    Parameters
    ----------
    census : Census
        Counted; it begins anew.
    model : Model or None
        Asked how sure it is of a sample.
    seconds : float
        About so long may that take.
    """
    now, count = datetime.now(UTC), census.draw()
    sample = list(count.sample)
    random.shuffle(sample)
    found = confidence.unsure(model, sample, seconds=seconds) if model else None
    looked_at, low = found or (None, None)
    told = {
        "event": "predictions",
        "time": now.isoformat(timespec="milliseconds"),
        "rows": count.rows,
        "low_confidence": low,
        "looked_at": looked_at,
    }
    return _fitting(told, count)


def _fitting(told: dict[str, object], count: Count) -> bytes:
    whole = orjson.dumps({**told, "predictions": count.predictions}) + b"\n"
    return whole if len(whole) <= LONGEST else orjson.dumps({**told, "predictions": None}) + b"\n"
