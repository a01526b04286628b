"""Judge of a new deployment: by requests of its own, and by metrics of live ones."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from tridock.assurance import gates
from tridock.assurance.gates import Ruling, Verdict
from tridock.deploy.config.load import Gates
from tridock.deploy.rollout import live_metrics as live
from tridock.deploy.strategies import Step
from tridock.deploy.target.errors import TargetError
from tridock.deploy.target.metrics import Answer, predictions
from tridock.deploy.target.probes import Probe, Timed, same
from tridock.deploy.target.protocol import Target

if TYPE_CHECKING:
    from tridock.inference.bundle.baseline import Statistics

    pass


@dataclass(frozen=True)
class Case:
    """Deployment under judgement, and the step it is in.

    Attributes
    ----------
    step : Step
        Of the rollout.
    since : datetime
        When it began.
    beside : str
        The deployment that serves most beside it; empty for none.
    """

    endpoint: str
    deployment: str
    step: Step
    since: datetime
    beside: str = ""


@dataclass(frozen=True)
class Evidence:
    """Results of the judge's own requests.

    Attributes
    ----------
    requests, errors, compared, agreed : int
        Sent; failed; answered where the answer is known; and as expected.
    latencies : tuple of float
        Milliseconds of each answered request, seen from here.
    remark : str
        The first thing that went wrong, in words.
    """

    requests: int = 0
    errors: int = 0
    compared: int = 0
    agreed: int = 0
    latencies: tuple[float, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class Look:
    """Verdicts of one examination.

    Attributes
    ----------
    remark : str
        The first thing that went wrong, in words.
    awaited : str
        What is not measured and has to be, in words; empty for nothing.
    """

    verdicts: tuple[Verdict, ...] = ()
    remark: str = ""
    awaited: str = ""

    def __str__(self) -> str:
        return "; ".join(map(str, self.verdicts)) or "nothing was measured"

    def saying(self, ruling: Ruling) -> str:
        """Return the verdicts of one ruling, in words."""
        return "; ".join(str(verdict) for verdict in self.verdicts if verdict.ruling is ruling)


@dataclass(frozen=True)
class Judge:
    """Holds a deployment to the gates: by requests of its own, and by what live ones showed.

    Attributes
    ----------
    probes : tuple of Probe
        Requests to send, over and over.
    limits : Gates
        How many, and the bounds.
    baseline : Statistics or None
        Of the predictions at packaging.
    now : callable
        Seconds, rising.
    """

    target: Target
    probes: tuple[Probe, ...]
    limits: Gates
    baseline: Statistics | None = None
    now: Callable[[], float] = field(default=time.perf_counter)

    def sends(self, step: Step) -> bool:
        """Tell whether requests of its own are sent at a step, by the deployment's name."""
        return bool(self.probes and self.limits.requests and (step.probed or step.beside))

    def look(self, case: Case) -> Look:
        """Send requests if the step wants them, and read the metrics of live ones."""
        own: tuple[Verdict, ...] = ()
        remark = ""
        if case.step.probed and self.probes and self.limits.requests:
            seen = self.examine(case.endpoint, case.deployment)
            own, remark = self.verdicts(seen), seen.remark
        beside, live = self._beside(case), self._live(case)
        remark = remark or beside.remark or live.remark
        awaits = self.limits.minimum_requests and case.step.awaited
        awaited = live.saying(Ruling.UNMEASURED) if awaits else ""
        return Look((*own, *beside.verdicts, *live.verdicts), remark, awaited)

    def examine(self, endpoint: str, deployment: str) -> Evidence:
        """Send the requests, one after the other, and return what they showed."""
        seen = Evidence()
        for probe in islice(cycle(self.probes), self.limits.requests):
            seen = self._ask(seen, probe, (endpoint, deployment))
        return seen

    def verdicts(self, seen: Evidence) -> tuple[Verdict, ...]:
        """Return what each gate says to the evidence."""
        limits = self.limits
        return (
            gates.error_rate(seen.errors, seen.requests, limit=limits.error_rate),
            gates.latency_p95(seen.latencies, limit=limits.latency_p95),
            gates.agreement(seen.agreed, seen.compared, limit=limits.agreement),
        )

    def _live(self, case: Case) -> Look:
        """Judge live requests, or copies of them, where there are any."""
        step, target = case.step, self.target
        if not step.percent and not step.shadow:
            return Look()
        measured = target.metrics(case.endpoint, case.deployment, case.since)
        kind = "copy" if step.shadow else "live request"
        limits = self.limits if step.awaited else replace(self.limits, minimum_requests=0)
        live_verdicts = live.verdicts(measured, limits, self.baseline, kind=kind)
        if not step.shadow or not case.beside:
            return Look(live_verdicts)
        old, new = (
            target.answers(case.endpoint, name, case.since)
            for name in (case.beside, case.deployment)
        )
        verdict, remark = live.agreement(old, new, self.limits)
        return Look((*live_verdicts, verdict) if new else live_verdicts, remark)

    def _beside(self, case: Case) -> Look:
        """Ask the deployment that serves the same, once each, and compare the answers."""
        if not case.step.beside or not case.beside or not self.limits.requests:
            return Look()
        old, new = (
            [self._answer(probe, case.endpoint, name) for probe in self.probes]
            for name in (case.beside, case.deployment)
        )
        verdict, remark = live.agreement(old, new, replace(self.limits, minimum_requests=0))
        return Look((replace(verdict, kind="request"),), remark)

    def _answer(self, probe: Probe, endpoint: str, name: str) -> Answer:
        try:
            body = self.target.invoke(endpoint, probe.body, deployment=name)
        except TargetError:
            return Answer(str(self.probes.index(probe)), (), 0.0, 0)
        return Answer(str(self.probes.index(probe)), predictions(body), 0.0)

    def _ask(self, seen: Evidence, probe: Probe, whom: tuple[str, str]) -> Evidence:
        began = self.now()
        try:
            answer = self.target.invoke(whom[0], probe.body, deployment=whom[1])
        except TargetError as error:
            return _plus(seen, errors=1, remark=str(error))
        took = answer.milliseconds if isinstance(answer, Timed) else (self.now() - began) * 1000
        if not probe.expected:
            return _plus(seen, took=took)
        fits = _agrees(answer, probe.expected, self.limits.tolerance)
        remark = "" if fits else f"expected {list(probe.expected)}, was answered {_short(answer)}"
        return _plus(seen, took=took, agreed=fits, remark=remark)


def _agrees(answer: bytes, expected: Sequence[Any], tolerance: float) -> bool:
    try:
        answered = json.loads(answer)["predictions"]
    except (ValueError, TypeError, KeyError):
        return False
    return same(answered, list(expected), tolerance)


def _plus(
    seen: Evidence,
    *,
    errors: int = 0,
    took: float | None = None,
    agreed: bool | None = None,
    remark: str = "",
) -> Evidence:
    return Evidence(
        requests=seen.requests + 1,
        errors=seen.errors + errors,
        compared=seen.compared + (agreed is not None),
        agreed=seen.agreed + bool(agreed),
        latencies=seen.latencies + (() if took is None else (took,)),
        remark=seen.remark or remark,
    )


def _short(answer: bytes) -> str:
    text = answer.decode(errors="replace")
    return text if len(text) <= 200 else f"{text[:200]}…"
