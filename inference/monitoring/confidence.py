"""How sure a model is of its answers."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tridock.inference.data.table import joined, kind
from tridock.inference.errors import RequestError

if TYPE_CHECKING:
    from tridock.inference.data.table import Table
    from tridock.inference.model.model import Array, Model


def threshold(classes: int) -> float:
    """Return the probability below which the most likely of so many classes is unsure.

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
        No more are asked for where that would probably take longer. One always is.

    Returns
    -------
    tuple or None
        How many rows were asked for, and of how many of them the model was unsure: the largest
        probability is below `threshold`, of several outputs that of any. None where a model gives
        no probabilities.
    """
    if not model.output.probabilities or not sample:
        return None
    end, asked, low = time.perf_counter() + seconds, 0, 0
    for some in _doubling(sample):
        start = time.perf_counter()
        try:
            low += sum(_low(model, table) for table in _tables(some))
        except RequestError:  # it gives some rows none, though it had an answer for each
            return None
        asked += len(some)
        now = time.perf_counter()
        if now + 2 * (now - start) > end:
            break
    return asked, low


def _doubling(sample: Sequence[Table]) -> Iterator[Sequence[Table]]:
    start, size = 0, 1
    while start < len(sample):
        yield sample[start : start + size]
        start, size = start + size, 2 * size


def _tables(some: Sequence[Table]) -> Iterator[Table]:
    kinds: dict[Hashable, list[Table]] = {}
    for one in some:
        kinds.setdefault(kind(one), []).append(one)
    return map(joined, kinds.values())


def _low(model: Model, table: Table) -> int:
    shares = model.answers(table, probabilities=True).shares
    each = shares if isinstance(shares, tuple) else (shares,)
    return int(np.logical_or.reduce([_is_low(one) for one in each if one is not None]).sum())


def _is_low(shares: Array) -> Array:
    sure: Array = shares.max(axis=1) >= threshold(shares.shape[1])
    return ~sure  # nor is NaN sure
