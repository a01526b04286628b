"""Two deployments side by side: which is better, by tests that say how sure that is."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from tridock.assurance import power


class Finding(enum.Enum):
    """Verdict of a comparison on the new deployment."""

    BETTER = "better"
    WORSE = "worse"
    DIFFERENT = "different"
    SAME = "no difference seen"
    FEW = "not enough samples"
    UNMEASURED = "not measured"


@dataclass(frozen=True)
class Side:
    """Measurements of one deployment.

    Attributes
    ----------
    name : str
        The deployment's.
    requests, errors : int
        Live requests, and those that it failed.
    latencies : sequence of float
        Milliseconds of single answers, where they are known.
    latency_p95 : float or None
        Their 95th percentile, where only that is known, too.
    predictions : Mapping[str, int]
        How often each came.
    right, labelled : int
        Predictions that were right, of those whose truth is known.
    """

    name: str
    requests: int
    errors: int
    latencies: Sequence[float] = ()
    latency_p95: float | None = None
    predictions: Mapping[str, int] = field(default_factory=dict)
    right: int = 0
    labelled: int = 0


@dataclass(frozen=True)
class Terms:
    """Smallest difference that matters, and the confidence that is needed.

    Attributes
    ----------
    effect : float
        Smallest difference of an error rate or an accuracy that matters, as a ratio.
    alpha : float
        Chance of a difference seen in any of the measures where there is none.
    power : float
        Chance of seeing a difference that matters.
    slower : float
        Smallest chance that matters that an answer of one side takes longer than the other's.
    spread : float
        Smallest difference of the predictions' distribution that matters, as Cohen's w.
    """

    effect: float = 0.05
    alpha: float = 0.05
    power: float = 0.8
    slower: float = 0.6
    spread: float = 0.2


@dataclass(frozen=True)
class Result:
    """Result of one measure.

    Attributes
    ----------
    measure : str
        ``"errors"``, ``"latency"``, ``"predictions"`` or ``"accuracy"``.
    test : str
        The test's name.
    p : float or None
        Chance of such a difference, or a greater one, if there were none.
    more : int
        How many more of the new one's requests are wanted, 0 if there are enough.
    """

    measure: str
    finding: Finding
    test: str = ""
    p: float | None = None
    more: int = 0

    def __str__(self) -> str:
        if self.finding is Finding.FEW:
            return f"{self.measure}: {self.finding.value}, {self.more} more wanted"
        return f"{self.measure}: {self.finding.value}"


def compare(old: Side, new: Side, terms: Terms) -> tuple[Result, ...]:
    """Return what each measure says of the new one.

    Before the samples are enough to see what matters, only a difference far beyond it is called:
    who looks again and again and stops at the first small p sees a difference sooner or later.
    The bound is O'Brien's and Fleming's ("A Multiple Testing Procedure for Clinical Trials",
    Biometrics 35, 1979), taken so that it holds after any number of looks (the reflection
    principle). `alpha` is shared among the measures (Bonferroni).
    """
    terms = replace(terms, alpha=terms.alpha / (4 if old.labelled or new.labelled else 3))
    found = [_errors(old, new, terms), _latency(old, new, terms), _predictions(old, new, terms)]
    if old.labelled or new.labelled:
        found.append(_accuracy(old, new, terms))
    return tuple(found)


def verdict(results: Sequence[Result]) -> tuple[Finding, str]:
    """Return what all measures come to, and why, in words.

    One that is worse outweighs all; what is not enough is waited for, before it is called equal.
    Another spread of predictions alone is neither better nor worse.
    """
    found = {result.finding for result in results}
    for finding in (Finding.WORSE, Finding.FEW, Finding.BETTER, Finding.DIFFERENT, Finding.SAME):
        if finding in found:
            behind = [str(result) for result in results if result.finding is finding]
            return finding, "; ".join(behind)
    return Finding.UNMEASURED, "nothing was measured on both sides"


def _errors(old: Side, new: Side, terms: Terms) -> Result:
    table = ((old.errors, old.requests), (new.errors, new.requests))
    return _proportions("errors", table, terms, more_is_better=False)


def _accuracy(old: Side, new: Side, terms: Terms) -> Result:
    table = ((old.right, old.labelled), (new.right, new.labelled))
    return _proportions("accuracy", table, terms, more_is_better=True)


def _proportions(
    measure: str,
    table: tuple[tuple[int, int], tuple[int, int]],
    terms: Terms,
    *,
    more_is_better: bool,
) -> Result:
    """Compare two shares by Fisher's exact test, which holds for small counts, too."""
    (hits, size), (others, other) = table
    if not size or not other:
        return Result(measure, Finding.UNMEASURED)
    p = float(stats.fisher_exact([[hits, size - hits], [others, other - others]]).pvalue)
    needed = power.proportions(
        hits / size, terms.effect, size / other, alpha=terms.alpha / 2, power=terms.power
    )
    greater = others / other > hits / size
    finding = Finding.BETTER if greater is more_is_better else Finding.WORSE
    return _settled(Result(measure, finding, "Fisher's exact", p), other, needed, terms)


def _latency(old: Side, new: Side, terms: Terms) -> Result:
    if not old.latencies or not new.latencies:
        return Result("latency", Finding.UNMEASURED)
    told = stats.mannwhitneyu(new.latencies, old.latencies)
    size, other = len(old.latencies), len(new.latencies)
    needed = power.ranks(terms.slower, size / other, alpha=terms.alpha / 2, power=terms.power)
    slower = float(told.statistic) / (size * other)
    finding = Finding.WORSE if slower > 0.5 else Finding.BETTER
    result = Result("latency", finding, "Mann-Whitney", float(told.pvalue))
    # With many samples the test sees differences far too small to matter.
    matters = max(slower, 1 - slower) >= terms.slower
    return _settled(result if matters else replace(result, p=1.0), other, needed, terms)


def _predictions(old: Side, new: Side, terms: Terms) -> Result:
    names = sorted({*old.predictions, *new.predictions})
    counts = [[side.predictions.get(name, 0) for name in names] for side in (old, new)]
    if not all(sum(row) for row in counts):
        return Result("predictions", Finding.UNMEASURED)
    if len(names) == 1:
        return Result("predictions", Finding.SAME, "chi-square", 1.0)
    told = stats.chi2_contingency(np.array(counts), correction=False)
    ratio = sum(counts[0]) / sum(counts[1])
    needed = power.kinds(len(names), terms.spread, ratio, alpha=terms.alpha / 2, power=terms.power)
    result = Result("predictions", Finding.DIFFERENT, "chi-square", float(told.pvalue))
    return _settled(result, sum(counts[1]), needed, terms)


def _settled(result: Result, sample: int, needed: int, terms: Terms) -> Result:
    """Hold a result back while its sample is too small for it, or while chance explains it."""
    share = min(1.0, sample / needed)
    bound = stats.norm.ppf(1 - terms.alpha / 4) / np.sqrt(share)
    if result.p is not None and result.p < 2 * stats.norm.sf(bound):
        return result
    if sample < needed:
        return replace(result, finding=Finding.FEW, more=needed - sample)
    return replace(result, finding=Finding.SAME)
