"""Moving traffic, as arithmetic: no cloud, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def splits(now: Mapping[str, int], new: str, steps: Sequence[int]) -> Iterator[dict[str, int]]:
    """Yield the traffic split of each step, `new` growing and the others shrinking in proportion.

    Steps below what `new` has already are left out, so that an interrupted rollout goes on.
    Where nobody else has traffic there is nobody to protect, and one step gives it all.

    Parameters
    ----------
    now : Mapping[str, int]
        Today's split in whole percent; sums to 100, or is empty.
    new : str
        Deployment that takes over.
    steps : Sequence[int]
        Percent for `new` at each step, rising, e.g. ``(10, 50, 100)``.

    Yields
    ------
    dict
        A split that sums to exactly 100, without zeros.
    """
    others = {name: share for name, share in now.items() if name != new and share}
    for percent in steps if others else (100,):
        if percent >= now.get(new, 0):
            yield _tidy({new: percent, **shares(others, 100 - percent)})


def without(now: Mapping[str, int], name: str) -> dict[str, int]:
    """Return the split in which the others share what `name` has; empty if there are none."""
    others = {other: share for other, share in now.items() if other != name and share}
    return shares(others, 100) if others else {}


def shares(weights: Mapping[str, int | float], total: int) -> dict[str, int]:
    """Share `total` in whole numbers that sum to it, in proportion, by largest remainder.

    Parameters
    ----------
    weights : Mapping[str, int or float]
        Not negative; not all zero unless `total` is.
    total : int
        What to share, not negative.
    """
    whole = sum(weights.values())
    if not whole:
        return dict.fromkeys(weights, 0)
    exact = {name: weight * total / whole for name, weight in weights.items()}
    floors = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (floors[name] - exact[name], name))
    for name in by_remainder[: total - sum(floors.values())]:
        floors[name] += 1
    return floors


def _tidy(split: Mapping[str, int]) -> dict[str, int]:
    return {name: share for name, share in split.items() if share}
