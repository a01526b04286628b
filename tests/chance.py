"""Counts that chance decides, and how far they may be from what is expected."""

from __future__ import annotations

import math

#: Standard deviations: a right count is farther away in fewer than one of a billion runs.
FAR = 7.0


def is_likely(count: int, of: int, share: float) -> bool:
    """Tell whether `count` of so many draws, each with the chance `share`, is no surprise."""
    return abs(count - of * share) <= FAR * math.sqrt(of * share * (1 - share)) + 1
