"""The rules by which an alarm changes its state, as arithmetic.

Source: Amazon CloudWatch User Guide, "Evaluating an alarm" and "Configuring how CloudWatch alarms
treat missing data".
"""

from __future__ import annotations

import enum
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: Further data points are looked at beside the evaluated ones, in case some of those are missing:
#: 5 for an alarm over 3 ("Configuring how CloudWatch alarms treat missing data").
SPARE_POINTS = 2

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


class State(enum.Enum):
    """The states of an alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT = "INSUFFICIENT_DATA"


@dataclass(frozen=True)
class Rule:
    """The settings of an alarm that decide its state.

    Attributes
    ----------
    comparison : str
        One of `COMPARISONS`.
    threshold : float
        What data points are compared with.
    periods : int
        N: how many of the newest data points are evaluated.
    datapoints : int
        M: how many of those must breach.
    missing : str
        ``"missing"``, ``"ignore"``, ``"breaching"`` or ``"notBreaching"``.
    """

    comparison: str
    threshold: float
    periods: int
    datapoints: int
    missing: str = "missing"

    @property
    def points(self) -> int:
        """Number of data points in the evaluation range."""
        return self.periods + SPARE_POINTS

    def breaches(self, value: float) -> bool:
        """Return whether one data point is on the wrong side of the threshold."""
        return COMPARISONS[self.comparison](value, self.threshold)


def judge(points: Sequence[float | None], rule: Rule, current: State) -> State:
    """Return the state that follows from the newest data points.

    Parameters
    ----------
    points : sequence of float or None
        The evaluation range, oldest first; None where no data came.
    rule : Rule
        The alarm's settings.
    current : State
        Kept where the rule says so.
    """
    present = [rule.breaches(point) for point in points if point is not None]
    breaching = sum(present[-rule.periods :])
    if len(present) >= rule.periods:
        return _state(breaching >= rule.datapoints)
    if rule.missing == "breaching":
        filled = breaching + rule.periods - len(present)
        return _state(filled >= rule.datapoints)
    if rule.missing == "notBreaching" or breaching >= rule.datapoints:
        return _state(breaching >= rule.datapoints)
    if not all(present):
        return State.OK
    if rule.missing == "ignore":
        return current
    return State.ALARM if _is_old(points, rule) else State.INSUFFICIENT


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which `percent` of `values` lie, between neighbours linearly.

    Parameters
    ----------
    values : sequence of float
        At least one, in any order.
    percent : float
        0 to 100.
    """
    ordered = sorted(values)
    rank = percent / 100 * (len(ordered) - 1)
    below, above = ordered[math.floor(rank)], ordered[math.ceil(rank)]
    if below == above:  # also where their difference would overflow
        return below
    return below + (above - below) * (rank - math.floor(rank))


def _state(breaching: bool) -> State:
    return State.ALARM if breaching else State.OK


def _is_old(points: Sequence[float | None], rule: Rule) -> bool:
    """Return whether the oldest breach is at least M periods old, with no good point since.

    The alarm then goes off with fewer than M data points ("Avoiding premature transitions to alarm
    state"). Only called when every data point that came breaches.
    """
    ages = [len(points) - place for place, point in enumerate(points) if point is not None]
    return bool(ages) and max(ages) >= rule.datapoints
