"""Sample sizes that are enough to see a difference that matters, before anything is measured."""

from __future__ import annotations

import math

from scipy import stats
from scipy.optimize import brentq


def proportions(before: float, effect: float, ratio: float, *, alpha: float, power: float) -> int:
    """Return how many of the new group show that a proportion changed by `effect`.

    Fleiss, Levin and Paik, "Statistical Methods for Rates and Proportions", 3rd edition, 4.3:
    the two-sided test of two proportions, without correction for continuity.

    Parameters
    ----------
    before : float
        The old group's proportion; the new one's is taken to be nearer to one half by `effect`.
    effect : float
        Smallest difference that matters, above zero.
    ratio : float
        Size of the old group over that of the new.
    alpha, power : float
        Chance of seeing what is not there, and of seeing what is.
    """
    after = min(1.0, max(0.0, before + effect if before <= 0.5 else before - effect))
    middle = (after + ratio * before) / (1 + ratio)
    by_chance = _sure(1 - alpha / 2) * math.sqrt((ratio + 1) * middle * (1 - middle))
    spread = ratio * after * (1 - after) + before * (1 - before)
    by_effect = _sure(power) * math.sqrt(spread)
    return math.ceil((by_chance + by_effect) ** 2 / (ratio * effect**2))


def ranks(chance: float, ratio: float, *, alpha: float, power: float) -> int:
    """Return how many of the new group show that one group's values are greater.

    Noether, "Sample Size Determination for Some Common Nonparametric Tests", Journal of the
    American Statistical Association 82 (1987): the Mann-Whitney test.

    Parameters
    ----------
    chance : float
        Smallest chance that matters that a value of one group is greater than one of the other;
        one half is no difference.
    ratio : float
        Size of the old group over that of the new.
    """
    share = 1 / (1 + ratio)
    wanted = (_sure(1 - alpha / 2) + _sure(power)) ** 2
    whole = wanted / (12 * share * (1 - share) * (chance - 0.5) ** 2)
    return math.ceil(whole * share)


def kinds(count: int, effect: float, ratio: float, *, alpha: float, power: float) -> int:
    """Return how many of the new group show that `count` kinds are spread in another way.

    Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 7: the
    chi-square test, whose statistic has a noncentral distribution under the alternative.

    Parameters
    ----------
    count : int
        Number of kinds, at least 2.
    effect : float
        Cohen's w: 0.1 is small, 0.3 medium.
    ratio : float
        Size of the old group over that of the new.
    """
    bound = stats.chi2.ppf(1 - alpha, count - 1)

    def missing(noncentrality: float) -> float:
        return float(stats.ncx2.sf(bound, count - 1, noncentrality)) - power

    whole = float(brentq(missing, 1e-9, 1e4)) / effect**2
    return math.ceil(whole / (1 + ratio))


def _sure(share: float) -> float:
    """Return the quantile of the standard normal distribution."""
    return float(stats.norm.ppf(share))
