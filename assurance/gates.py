"""Release gates: each turns what was measured into a verdict."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


class Ruling(enum.Enum):
    """What a gate says. Not measured is neither a pass nor a failure."""

    PASSED = "passed"
    FAILED = "failed"
    UNMEASURED = "not measured"


@dataclass(frozen=True)
class Verdict:
    """What one gate saw.

    Attributes
    ----------
    gate : str
        Name, as in ``release.toml``.
    ruling : Ruling
        Whether the release may go on.
    observed : float or None
        The measured value in `unit`; None if there was nothing to measure.
    limit : float
        The bound it was held to, in `unit`.
    unit : str
        ``"ms"``, or empty for a ratio.
    sample : int
        Number of requests behind it.
    bound : str
        Which side of `limit` is wanted: ``"at most"`` or ``"at least"``.
    """

    gate: str
    ruling: Ruling
    observed: float | None
    limit: float
    unit: str = ""
    sample: int = 0
    bound: str = "at most"

    def __str__(self) -> str:
        if self.observed is None:
            return f"{self.gate} {self.ruling.value}: nothing to go by"
        seen, limit = self._shown(self.observed), self._shown(self.limit)
        plural = "" if self.sample == 1 else "s"
        seen = f"{seen} in {self.sample} request{plural}"
        return f"{self.gate} {self.ruling.value}: {seen} ({self.bound} {limit})"

    def _shown(self, value: float) -> str:
        return f"{value:.4g} {self.unit}" if self.unit else f"{100 * value:.4g} %"


def error_rate(errors: int, requests: int, *, limit: float) -> Verdict:
    """Hold the share of failed requests to at most `limit`, a ratio from 0 to 1."""
    return _judged("error_rate", errors / requests if requests else None, limit, sample=requests)


def latency_p95(latencies: Sequence[float], *, limit: float) -> Verdict:
    """Hold the 95th percentile of `latencies` to at most `limit`, both in milliseconds.

    The percentile is the nearest rank: the smallest value that 95 % of all do not exceed.
    """
    ranked = sorted(latencies)
    observed = ranked[math.ceil(0.95 * len(ranked)) - 1] if ranked else None
    return _judged("latency_p95", observed, limit, sample=len(ranked), unit="ms")


def agreement(agreed: int, compared: int, *, limit: float) -> Verdict:
    """Hold the share of answers that are as expected to at least `limit`, a ratio from 0 to 1."""
    observed = agreed / compared if compared else None
    verdict = _judged("agreement", observed, limit, sample=compared)
    if observed is None:
        return replace(verdict, bound="at least")
    ruling = Ruling.PASSED if observed >= limit else Ruling.FAILED
    return replace(verdict, ruling=ruling, bound="at least")


def _judged(
    gate: str, observed: float | None, limit: float, *, sample: int, unit: str = ""
) -> Verdict:
    if observed is None:
        return Verdict(gate, Ruling.UNMEASURED, None, limit, unit, sample)
    ruling = Ruling.PASSED if observed <= limit else Ruling.FAILED
    return Verdict(gate, ruling, observed, limit, unit, sample)
