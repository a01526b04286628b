"""Verdicts on a deployment by its live requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tridock.assurance import gates
from tridock.assurance.gates import Ruling, Verdict
from tridock.deploy.config.load import Gates
from tridock.deploy.target.metrics import Answer, Metrics
from tridock.deploy.target.probes import same

if TYPE_CHECKING:
    from tridock.inference.bundle.baseline import Statistics


def verdicts(
    metrics: Metrics | None, limits: Gates, baseline: Statistics | None, *, kind: str
) -> tuple[Verdict, ...]:
    """Return what each gate says to live requests; none where nothing came and none is demanded.

    Before `minimum_requests` came, only what they cannot mend any more is a failure: as many
    errors as the limit allows all of them.

    Parameters
    ----------
    metrics : Metrics or None
        None if the target does not tell.
    baseline : Statistics or None
        Of the predictions at packaging, if there is one.
    kind : str
        ``"live request"`` or ``"copy"``.
    """
    least, seen = limits.minimum_requests, metrics or Metrics()
    enough = gates.minimum_requests(seen.requests, least=least, kind=kind)
    errors = gates.error_rate(seen.errors, seen.requests, limit=limits.error_rate)
    if seen.requests and enough.ruling is Ruling.PASSED:
        return tuple(replace(each, kind=kind) for each in _all(seen, errors, limits, baseline))
    if seen.errors > limits.error_rate * max(least, seen.requests):
        return (replace(errors, kind=kind),)
    return (enough,) if least else ()


def _all(
    seen: Metrics, errors: Verdict, limits: Gates, baseline: Statistics | None
) -> Sequence[Verdict]:
    from tridock.assurance import drift  # brings NumPy, which most commands do without

    count = sum(seen.predictions.values())
    moved = drift.prediction_shift(baseline, seen.predictions) if baseline else None
    checked = [
        errors,
        gates.latency(seen.latency_p95_ms, seen.requests, limit=limits.latency_p95),
        gates.low_confidence(seen.low_confidence, seen.requests, limit=limits.low_confidence),
        gates.prediction_shift(moved, count, limit=limits.prediction_shift),
    ]
    # A gate at 1 lets everything through: it is reported where it was measured, and not demanded.
    return [one for one in checked if one.observed is not None or (not one.unit and one.limit < 1)]


def agreement(old: Sequence[Answer], new: Sequence[Answer], limits: Gates) -> tuple[Verdict, str]:
    """Compare the answers of two deployments to the same requests.

    Returns
    -------
    tuple
        The verdict, and the first answers that differ in words.
    """
    known = {one.request: one for one in old if one.predictions}
    pairs = [(known[one.request], one) for one in new if one.request in known and one.predictions]
    differing = [pair for pair in pairs if not _same(pair, limits.tolerance)]
    verdict = gates.agreement(
        len(pairs) - len(differing), len(pairs), limit=limits.shadow_agreement
    )
    remark = "".join(
        f"request {one.request}: {list(one.predictions)} now, {list(other.predictions)} new"
        for one, other in differing[:1]
    )
    few = len(pairs) < limits.minimum_requests
    if few and len(differing) <= (1 - limits.shadow_agreement) * limits.minimum_requests:
        verdict = replace(verdict, ruling=Ruling.UNMEASURED)
    return replace(verdict, gate="shadow_agreement", kind="copy"), remark


def _same(pair: tuple[Answer, Answer], tolerance: float) -> bool:
    return same(list(pair[0].predictions), list(pair[1].predictions), tolerance)
