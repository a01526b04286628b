"""Batches of requests of few rows: those that wait at the same time are predicted together."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from tridock.inference.errors import OverloadedError
from tridock.inference.scheduling.batched_model import BLOCK, BatchedModel, Outcome

#: Weight of the newest duration in the running mean: about the last ten count.
NEWEST = 0.2
#: A prediction that takes longer would hold up health and everybody else: it goes to a thread.
INLINE_SECONDS = 0.003
#: Refusals that are answered in this many seconds: 2,000 a second cost a few percent of a core.
#: Refusals that wait where still more come.
PACE, PACE_SECONDS = 20, 0.01
MOST_REFUSED = 10_000


class Item(Protocol):
    """One request that waits.

    Attributes
    ----------
    batched_model : BatchedModel
        The model it is for.
    sent_rows : list
        The rows it sent; at most `BLOCK`.
    probabilities : bool
        Whether it wants them.
    latest : float
        Time (`time.perf_counter`) after which it is refused instead of begun.
    """

    batched_model: BatchedModel
    sent_rows: list[Any]
    probabilities: bool
    latest: float

    def done(self, outcome: Outcome) -> None:
        """Hear what became of it, on the event loop; it must not raise."""


class Waiting:
    """An item that a coroutine waits for.

    Parameters
    ----------
    batched_model : BatchedModel
        The model it is for.
    sent_rows : list
        Its rows.
    probabilities : bool
        Whether it wants them.
    """

    def __init__(
        self, batched_model: BatchedModel, sent_rows: list[Any], probabilities: bool
    ) -> None:
        self.batched_model = batched_model
        self.sent_rows = sent_rows
        self.probabilities = probabilities
        self.latest = math.inf
        self.future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def done(self, outcome: Outcome) -> None:
        """Wake who waits, unless its caller has left."""
        if not self.future.done():
            self.future.set_result(outcome)


class Batcher:
    """Predicts what waits in one go; used from one event loop.

    No request waits for others: an idle server predicts at the end of the loop's turn in which
    a request came. The next batch forms while the one before runs. Where predictions are short, by
    the mean of the last ones, they run on the loop itself, since a thread would cost more;
    otherwise in a thread beside it.

    Parameters
    ----------
    queue : int
        Most requests that wait.
    patience : float
        Longest wait, in seconds: where a longer one is to be expected the request is refused at
        once, and where it was longer nevertheless it is refused instead of begun.
    """

    def __init__(self, *, queue: int, patience: float) -> None:
        self._queue = queue
        self._patience = patience
        self._waiting: deque[Item] = deque()
        self._refused: deque[tuple[Item, OverloadedError]] = deque()
        self._rows = 0
        self._mean_seconds = math.inf
        self._running = False
        self._planned = False
        self._thread: ThreadPoolExecutor | None = None

    def put(self, item: Item) -> None:
        """Take a request; its `done` is called when it is predicted, maybe before this returns.

        One that would wait too long hears an `OverloadedError` instead.
        """
        if self._running:
            if self._is_full():
                self._refuse(item)
                return
            item.latest = time.perf_counter() + self._patience
        self._waiting.append(item)
        self._rows += len(item.sent_rows)
        if self._running:
            return
        if self._rows >= BLOCK and self._mean_seconds < INLINE_SECONDS:
            self._run()
        else:
            self._plan()

    async def predict(
        self, batched_model: BatchedModel, rows: list[Any], probabilities: bool
    ) -> list[Any]:
        """Predict a request's rows and return a JSON-ready value for each.

        Raises
        ------
        OverloadedError
            If it would wait too long.
        Exception
            Any error with these rows.
        """
        item = Waiting(batched_model, rows, probabilities)
        self.put(item)
        outcome = await item.future
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def wait_seconds(self) -> float:
        """Return how long the next request would wait, by the durations of the last ones."""
        mean = self._mean_seconds if self._mean_seconds < math.inf else 0.0
        return (self._rows // BLOCK + self._running) * mean

    def retry_after(self) -> int:
        """Return whole seconds after which a refused caller may try again."""
        return max(1, math.ceil(self.wait_seconds()))

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._queue or self.wait_seconds() > self._patience

    def _refuse(self, item: Item) -> None:
        """Refuse a request, soon: a refused caller may come again at once, and again.

        Answering all of them as fast as they come takes the processor from those who were let in.
        """
        reason = f"{len(self._waiting)} requests are waiting, as many as fit"
        self._refused.append((item, _overloaded(reason)))
        if len(self._refused) == 1:
            asyncio.get_running_loop().call_later(PACE_SECONDS, self._pace)
        elif len(self._refused) > MOST_REFUSED:
            self._tell_refused()

    def _pace(self) -> None:
        for _ in range(min(PACE, len(self._refused))):
            self._tell_refused()
        if self._refused:
            asyncio.get_running_loop().call_later(PACE_SECONDS, self._pace)

    def _tell_refused(self) -> None:
        item, error = self._refused.popleft()
        item.done(error)

    def _plan(self) -> None:
        """Have what waits predicted at the end of the loop's turn."""
        if self._waiting and not self._running and not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._planned = False
        if not self._waiting or self._running:
            return
        if self._mean_seconds < INLINE_SECONDS:
            self._run()
        else:
            self._run_beside()
        self._plan()

    def _run(self) -> None:
        """Predict the next batch here."""
        if items := self._next():
            self._tell(items, *_predicted(items))

    def _run_beside(self) -> None:
        """Predict the next batch in a thread, and then the one after it."""
        if items := self._next():
            loop = asyncio.get_running_loop()
            self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="predict")
            self._running = True
            running = loop.run_in_executor(self._thread, _predicted, items)
            running.add_done_callback(lambda future: self._ended(items, *future.result()))

    def _ended(self, items: list[Item], outcomes: list[Outcome], seconds: float) -> None:
        self._running = False
        self._tell(items, outcomes, seconds)
        self._begin()

    def _tell(self, items: list[Item], outcomes: list[Outcome], seconds: float) -> None:
        mean = self._mean_seconds
        self._mean_seconds = seconds if mean == math.inf else mean + NEWEST * (seconds - mean)
        for item, outcome in zip(items, outcomes, strict=True):
            item.done(outcome)

    def _next(self) -> list[Item]:
        """Take the requests of the next batch; those who waited too long are refused."""
        items: list[Item] = []
        now, taken = time.perf_counter(), 0
        while self._waiting and (not items or taken + len(self._waiting[0].sent_rows) <= BLOCK):
            item = self._waiting.popleft()
            self._rows -= len(item.sent_rows)
            if item.latest < now:
                words = f"the request has waited for more than {self._patience:g} seconds"
                item.done(_overloaded(words))
                continue
            taken += len(item.sent_rows)
            items.append(item)
        return items


def _predicted(items: list[Item]) -> tuple[list[Outcome], float]:
    """Predict items, by model and by whether probabilities are wanted; tell how long it took."""
    start = time.perf_counter()
    groups: dict[tuple[int, bool], list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault((id(item.batched_model), item.probabilities), []).append(index)
    outcomes: dict[int, Outcome] = {}
    for indices in groups.values():
        outcomes.update(zip(indices, _group([items[index] for index in indices]), strict=True))
    return [outcomes[index] for index in range(len(items))], time.perf_counter() - start


def _group(items: list[Item]) -> list[Outcome]:
    first = items[0]
    try:
        sent_rows = [item.sent_rows for item in items]
        return first.batched_model.outcomes(sent_rows, probabilities=first.probabilities)
    except Exception as error:  # a defect of ours; no caller may wait for ever
        return [error] * len(items)


def _overloaded(reason: str) -> OverloadedError:
    return OverloadedError(f"{reason}: try again after the seconds that Retry-After says")
