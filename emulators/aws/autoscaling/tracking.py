"""How many instances a target tracking policy asks for.

Source: Application Auto Scaling User Guide, "How target tracking scaling works": out as fast and in
proportion, in more gradually, and never against another scaling that is still cooling down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Seconds after a scaling in which no other follows, for SageMaker's variants ("Define a scaling
#: policy", SageMaker developer guide).
COOLDOWN = 300.0
#: A variant has its minimum again only after this long below (`PERIODS` of a minute).
PERIODS_HIGH, PERIODS_LOW = 3, 15
#: Share of the target below which there are too many.
LOW = 0.9


@dataclass(frozen=True)
class Bounds:
    """What the number may be.

    Attributes
    ----------
    least, most : int
        As registered.
    """

    least: int
    most: int

    def hold(self, count: int) -> int:
        """Return the nearest number that may be."""
        return max(self.least, min(count, self.most))


def more(count: int, measured: float, target: float) -> int:
    """Return how many of `count` instances' like would each have the target's share."""
    return max(count, math.ceil(count * measured / target))


def fewer(count: int) -> int:
    """Return the next smaller number."""
    return count - 1
