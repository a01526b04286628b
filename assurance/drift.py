"""Drift of predictions: their distribution now against the one at packaging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tridock.inference.bundle.baseline import Categorical, Numeric, Statistics, Text


def prediction_shift(baseline: Statistics, counts: Mapping[str, int]) -> float | None:
    """Return how far the predictions' distribution is from the baseline's, from 0 to 1.

    The total variation distance: half the sum of the differences of the shares, which is the
    share of predictions that would have to be others (Levin and Peres, "Markov Chains and Mixing
    Times", 4.1). By chance alone, `n` predictions of `k` kinds are about ``sqrt(k / (2 pi n))``
    from what they were drawn from.

    Parameters
    ----------
    baseline : Statistics
        Of the predictions at packaging.
    counts : Mapping[str, int]
        How often each prediction came; numbers as their digits.

    Returns
    -------
    float or None
        None if there is nothing to compare.
    """
    if not sum(counts.values()) or isinstance(baseline, Text) or not baseline.count:
        return None
    if isinstance(baseline, Numeric):
        return _of_numbers(baseline, counts)
    return _of_kinds(baseline, counts)


def _of_kinds(baseline: Categorical, counts: Mapping[str, int]) -> float:
    kinds = sorted({*baseline.counts, *counts})
    then = [baseline.counts.get(kind, 0) for kind in kinds]
    now = [counts.get(kind, 0) for kind in kinds]
    return distance([*then, baseline.other], [*now, 0])


def _of_numbers(baseline: Numeric, counts: Mapping[str, int]) -> float | None:
    """Compare by the baseline's bins, and what lies below and above them."""
    if len(baseline.edges) < 2:
        return None
    values = np.array([float(value) for value in counts])
    bins = np.searchsorted(baseline.edges, values, side="right")
    bins[values == baseline.edges[-1]] = len(baseline.edges) - 1
    now = np.bincount(bins, weights=list(counts.values()), minlength=len(baseline.edges) + 1)
    return distance([0, *baseline.counts, 0], now.tolist())


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the total variation distance of two lists of counts over the same kinds."""
    left, right = np.array(one, dtype=float), np.array(other, dtype=float)
    return float(np.abs(left / left.sum() - right / right.sum()).sum() / 2)
