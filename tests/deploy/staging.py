"""A release on a stage without an audience, in no time."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field

from rich.console import Console

from tridock.deploy.config.load import Gates
from tridock.deploy.progress import Progress
from tridock.deploy.rollout.judge import Judge
from tridock.deploy.rollout.release import release
from tridock.deploy.rollout.request import ReleaseRequest, Rollout
from tridock.deploy.strategies import Strategy, steps_of
from tridock.deploy.target.probes import probes
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Endpoint, Release, deployment_name
from tridock.deploy.waiting.wait import Clock, Deadline
from tridock.inference.bundle.bundle import Bundle

ENDPOINT = "iris"
GATES = Gates(requests=5, error_rate=0.0, latency_p95=1e9, agreement=1.0, tolerance=1e-6)


@dataclass
class Hands:
    """A clock that goes on when somebody sleeps, and by a little at every look."""

    time: float = 0.0

    def clock(self) -> Clock:
        return Clock(self._now, self._sleep)

    def _now(self) -> float:
        self.time += 1e-6
        return self.time

    def _sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Told:
    """What was said on the stage."""

    out: io.StringIO = field(default_factory=io.StringIO)

    def progress(self) -> Progress:
        return Progress(Console(file=self.out, width=200, highlight=False))

    def __str__(self) -> str:
        return self.out.getvalue()


def name_of(bundle: Bundle) -> str:
    return deployment_name(bundle.version, bundle.digest)


def order_of(
    bundle: Bundle,
    *,
    strategy: Strategy | None = None,
    keep_previous: bool = True,
    timeout: float = 60.0,
) -> ReleaseRequest:
    wanted = Release(
        ENDPOINT,
        name_of(bundle),
        "",
        bundle=bundle.name,
        version=bundle.version,
        digest=bundle.digest,
    )
    steps = steps_of(strategy or Strategy())
    return ReleaseRequest(wanted, steps, keep_previous, Deadline.after(timeout, Hands().clock()))


def stage_of(target: Target, bundle: Bundle, told: Told | None = None) -> Rollout:
    judge = Judge(target, probes(bundle, None), GATES)
    return Rollout(target, judge, (told or Told()).progress())


def released(
    target: Target, bundle: Bundle, *, keep_previous: bool = True, told: Told | None = None
) -> Endpoint:
    """Release a bundle the ordinary way."""
    order = order_of(bundle, keep_previous=keep_previous)
    return release(stage_of(target, bundle, told), bundle, order)


def true_answers(*bundles: Bundle) -> dict[bytes, bytes]:
    """Return the right answer to every example request."""
    return {
        json.dumps({"instances": [each.input]}).encode(): json.dumps(
            {"predictions": [each.prediction]}
        ).encode()
        for bundle in bundles
        for each in bundle.manifest.examples
    }
