"""Which deployment answers next: exact over a cycle, and evenly mixed within it."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd


def order(traffic: Mapping[str, int]) -> tuple[str, ...]:
    """Return one cycle of names in which each stands as often as its share demands.

    Smooth weighted round robin, as nginx does it: each turn everyone earns its share, the
    richest is chosen and pays the sum, so that a name's turns are spread over the cycle.

    Parameters
    ----------
    traffic : Mapping[str, int]
        Shares, not negative. The cycle's length is their sum over their greatest common divisor;
        it is empty if all are zero.
    """
    shares = {name: share for name, share in sorted(traffic.items()) if share}
    step = gcd(*shares.values()) if shares else 1
    earned = dict.fromkeys(shares, 0)
    chosen = []
    for _ in range(sum(shares.values()) // step):
        for name, share in shares.items():
            earned[name] += share
        richest = max(earned, key=lambda name: earned[name])
        earned[richest] -= sum(shares.values())
        chosen.append(richest)
    return tuple(chosen)
