"""Release gates: each turns what was measured into a verdict."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


class Ruling(enum.Enum):
    """Ruling of a gate. Not measured is neither a pass nor a failure."""

    PASSED = "passed"
    FAILED = "failed"
    UNMEASURED = "not measured"


@dataclass(frozen=True)
class Verdict:
    """Value that one gate measured, with its ruling.

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
        How many of `kind` are behind it.
    bound : str
        Which side of `limit` is wanted: ``"at most"`` or ``"at least"``.
    kind : str
        What was measured: ``"request"`` of the judge's own, ``"live request"``, ``"copy"``.
    """

    gate: str
    ruling: Ruling
    observed: float | None
    limit: float
    unit: str = ""
    sample: int = 0
    bound: str = "at most"
    kind: str = "request"

    def __str__(self) -> str:
        if self.observed is None:
            return f"{self.gate} {self.ruling.value}: nothing to go by"
        kinds = "copies" if self.kind == "copy" else f"{self.kind}s"
        if self.unit == self.kind:
            seen = f"{self.observed:g} of {self.limit:g} {kinds}"
            return f"{self.gate} {self.ruling.value}: {seen}"
        seen, limit = self._shown(self.observed), self._shown(self.limit)
        seen = f"{seen} in {self.sample} {self.kind if self.sample == 1 else kinds}"
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


def latency(observed: float | None, sample: int, *, limit: float) -> Verdict:
    """Compare a 95th percentile that was measured elsewhere, in milliseconds, with `limit`."""
    return _judged("latency_p95", observed, limit, sample=sample, unit="ms")


def minimum_requests(requests: int, *, least: int, kind: str = "live request") -> Verdict:
    """Say whether enough requests came to judge by; too few are not a failure yet."""
    ruling = Ruling.PASSED if requests >= least else Ruling.UNMEASURED
    return Verdict("minimum_requests", ruling, requests, least, kind, requests, "at least", kind)


def low_confidence(share: float | None, sample: int, *, limit: float) -> Verdict:
    """Hold the share of predictions that the model was not sure of to at most `limit`."""
    return _judged("low_confidence", share, limit, sample=sample)


def prediction_shift(distance: float | None, sample: int, *, limit: float) -> Verdict:
    """Hold the distance of the predictions from the baseline's, 0 to 1, to at most `limit`."""
    return _judged("prediction_shift", distance, limit, sample=sample)


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
