"""Both sides of an experiment: collected from the target, compared, and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tridock.deploy.config.load import Compare
from tridock.deploy.rollout.experiment import Experiment
from tridock.deploy.rollout.labels import Labels
from tridock.deploy.target.metrics import Metrics, summed, times
from tridock.deploy.target.protocol import Observability
from tridock.deploy.target.records import Endpoint

if TYPE_CHECKING:
    from tridock.assurance.comparison import Finding, Result, Side


@dataclass(frozen=True)
class Comparison:
    """An experiment with its present numbers.

    Attributes
    ----------
    traffic : Mapping[str, int]
        The split now.
    finding : Finding
        What all measures come to, for the new one.
    why : str
        The measures behind it, in words.
    """

    experiment: Experiment
    traffic: Mapping[str, int]
    old: Side
    new: Side
    results: tuple[Result, ...]
    finding: Finding
    why: str


def compare(
    target: Observability, current: Endpoint, trial: Experiment, labels: Labels, *, terms: Compare
) -> Comparison:
    """Compare the two deployments by what live requests showed since the experiment began."""
    from tridock.assurance import comparison  # brings SciPy, which only this command needs

    old, new = (_side(target, trial, name, labels) for name in (trial.old, trial.new))
    alpha = 1 - terms.confidence
    results = comparison.compare(
        old, new, comparison.Terms(effect=terms.effect, alpha=alpha, power=terms.power)
    )
    finding, why = comparison.verdict(results)
    return Comparison(trial, current.traffic, old, new, results, finding, why)


def _side(target: Observability, trial: Experiment, name: str, labels: Labels) -> Side:
    from tridock.assurance.comparison import Side

    answers = target.answers(trial.endpoint, name, trial.since)
    measured = target.metrics(trial.endpoint, name, trial.since) or Metrics()
    kept = summed(answers)
    right, labelled = labels.count(name, answers)
    return Side(
        name,
        measured.requests,
        measured.errors,
        latencies=times(answers),
        latency_p95=measured.latency_p95_ms,
        predictions=measured.predictions or kept.predictions,
        right=right,
        labelled=labelled,
    )


def rows(compared: Comparison) -> list[tuple[str, str, str, str, str]]:
    """Return the table: what was measured, both sides, the test, and what it says."""
    results = {result.measure: result for result in compared.results}
    table = [("requests", *_both(compared, lambda side: str(side.requests)), "", "")]
    shown = {
        "errors": lambda side: _share(side.errors, side.requests),
        "latency": _latency,
        "predictions": _spread,
        "accuracy": lambda side: _share(side.right, side.labelled),
    }
    for measure, cell in shown.items():
        if measure in results:
            one = results[measure]
            measured = f"{one.test}, p = {one.p:.3g}" if one.p is not None else ""
            said = str(one).removeprefix(f"{measure}: ")
            table.append((measure, *_both(compared, cell), measured, said))
    return table


def record(compared: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON-ready values."""
    return {
        "endpoint": compared.experiment.endpoint,
        "began": compared.experiment.began,
        "traffic": dict(compared.traffic),
        "old": _side_record(compared.old),
        "new": _side_record(compared.new),
        "results": [
            {
                "measure": result.measure,
                "finding": result.finding.value,
                "test": result.test,
                "p": result.p,
                "more": result.more,
            }
            for result in compared.results
        ],
        "verdict": compared.finding.value,
        "why": compared.why,
    }


def _side_record(side: Side) -> dict[str, Any]:
    measured = {name: value for name, value in vars(side).items() if name != "latencies"}
    return {**measured, "predictions": dict(side.predictions)}


def _both(compared: Comparison, cell: Any) -> tuple[str, str]:
    return cell(compared.old), cell(compared.new)


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.3g} %)" if whole else "none"


def _latency(side: Side) -> str:
    return "unknown" if side.latency_p95 is None else f"p95 {side.latency_p95:.3g} ms"


def _spread(side: Side) -> str:
    whole = sum(side.predictions.values())
    ranked = sorted(side.predictions.items(), key=lambda item: (-item[1], item[0]))
    measured = [f"{name} {100 * count / whole:.0f} %" for name, count in ranked[:4]]
    return ", ".join([*measured, *(["…"] if len(ranked) > 4 else [])])
