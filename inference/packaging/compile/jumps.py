"""Where a model's answer jumps: rows on both sides of its thresholds, found by halving.

A tree compares a number with a threshold, and a graph that rounds either to single precision
takes the other branch for the numbers between. Random rows miss that; these do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tridock.inference.data.signature import Signature
from tridock.inference.packaging.compile.trial import Row

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]
    #: Scores of rows, rows by outputs: what jumps.
    Scores: TypeAlias = Callable[[Sequence[Row]], Array]

SEED = 7
#: So many pairs of rows are halved side by side.
PAIRS = 48
#: Halvings until two doubles are neighbours: 64 bits, less where both have one exponent.
MOST_HALVINGS = 70
#: After so many halvings, an answer that goes over smoothly has changed by next to nothing.
SMOOTH_AFTER = 24
SMOOTH = 1e-5


def beside(signature: Signature, base: Sequence[Row], scores: Scores) -> list[Row]:
    """Return rows on both sides of thresholds, and at the single-precision numbers around.

    Parameters
    ----------
    signature : Signature
        What the rows hold.
    base : sequence of Row
        Rows to vary, one number in each.
    scores : callable
        The model's scores of rows.
    """
    numeric = [i for i, field in enumerate(signature.fields) if field.dtype == "number"]
    if not numeric or not base:
        return []
    dice = np.random.default_rng(SEED)
    rows = [list(base[index]) for index in dice.integers(0, len(base), PAIRS)]
    columns = [numeric[index] for index in dice.integers(0, len(numeric), PAIRS)]
    ends = [_ends(signature, column, dice) for column in columns]
    low, high = _halved(rows, columns, np.array(ends), scores)
    found: list[Row] = []
    for row, column, left, right in zip(rows, columns, low, high, strict=True):
        if not math.isnan(left):
            found += [_put(row, column, value) for value in _around(left, right)]
    return found


def _ends(signature: Signature, column: int, dice: np.random.Generator) -> tuple[float, float]:
    field = signature.fields[column]
    low, high = float(field.minimum or 0), float(field.maximum or 0)
    width = high - low or 1.0
    first, second = dice.uniform(low - 0.1 * width, high + 0.1 * width, 2)
    return min(first, second), max(first, second)


def _halved(
    rows: Sequence[Row], columns: Sequence[int], ends: Array, scores: Scores
) -> tuple[Array, Array]:
    """Close in on the first jump between each pair of ends; NaN where there is none."""

    def asked(values: Array) -> Array:
        pairs = zip(rows, columns, values.tolist(), strict=True)
        return scores([_put(row, column, value) for row, column, value in pairs])

    low, high = ends[:, 0].copy(), ends[:, 1].copy()
    at_low, at_high = asked(low), asked(high)
    whole = _distance(at_low, at_high)
    for halving in range(MOST_HALVINGS):
        middle = low / 2 + high / 2
        if ((middle <= low) | (middle >= high)).all():
            break
        at_middle = asked(middle)
        left = _distance(at_low, at_middle) > 0
        high, at_high = np.where(left, middle, high), np.where(left[:, None], at_middle, at_high)
        low, at_low = np.where(left, low, middle), np.where(left[:, None], at_low, at_middle)
        jump = _distance(at_low, at_high)
        if halving == SMOOTH_AFTER and (jump <= SMOOTH * whole).all():
            break
    none = (_distance(at_low, at_high) <= SMOOTH * whole) | (whole == 0)
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def _distance(one: Array, other: Array) -> Array:
    difference = np.nan_to_num(np.abs(one - other), nan=0.0, posinf=1.0)
    return np.asarray(difference.max(axis=1), dtype=float)


def _around(low: float, high: float) -> list[float]:
    """Return the two sides of a threshold, and their neighbours in both precisions."""
    found = [low, high, math.nextafter(low, -math.inf), math.nextafter(high, math.inf)]
    for value in (low, high):
        single = np.float32(value)
        near = [
            single,
            np.nextafter(single, np.float32(-3e38)),
            np.nextafter(single, np.float32(3e38)),
        ]
        found += [float(each) for each in near]
    return found


def _put(row: Row, column: int, value: Any) -> Row:
    return [*row[:column], value, *row[column + 1 :]]
