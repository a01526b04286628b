"""Real requests to a new deployment, and what they show."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assurance import gates
from assurance.gates import Verdict
from deploy.config import Gates
from deploy.errors import ConfigError, TargetError
from deploy.target import Target

if TYPE_CHECKING:
    from inference.bundle import Bundle


@dataclass(frozen=True)
class Probe:
    """One request, and the answer's predictions as the bundle promised them, if it did."""

    body: bytes
    expected: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What the requests showed.

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
class Judge:
    """Sends requests to one deployment and holds what comes back to the gates.

    Attributes
    ----------
    probes : tuple of Probe
        Requests to send, over and over.
    limits : Gates
        How many, and the bounds.
    now : callable
        Seconds, rising.
    """

    target: Target
    probes: tuple[Probe, ...]
    limits: Gates
    now: Callable[[], float] = field(default=time.perf_counter)

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

    def _ask(self, seen: Evidence, probe: Probe, whom: tuple[str, str]) -> Evidence:
        began = self.now()
        try:
            answer = self.target.invoke(whom[0], probe.body, deployment=whom[1])
        except TargetError as error:
            return _plus(seen, errors=1, remark=str(error))
        took = (self.now() - began) * 1000
        if not probe.expected:
            return _plus(seen, took=took)
        fits = _agrees(answer, probe.expected, self.limits.tolerance)
        remark = "" if fits else f"expected {list(probe.expected)}, was answered {_short(answer)}"
        return _plus(seen, took=took, agreed=fits, remark=remark)


def probes(bundle: Bundle, request: Path | None) -> tuple[Probe, ...]:
    """Return the requests to judge by: the bundle's examples, else the request in a file.

    Raises
    ------
    ConfigError
        If there are neither.
    """
    examples = bundle.manifest.examples
    if examples:
        return tuple(
            Probe(json.dumps({"instances": [each.input]}).encode(), (each.prediction,))
            for each in examples
        )
    if request:
        return (Probe(read_request(request)),)
    raise ConfigError(
        f"nothing to judge {bundle.name} {bundle.version} by: its bundle has no examples. Name a "
        "JSON file that it answers as `request` in release.toml, or set gates.requests to 0"
    )


def read_request(file: Path) -> bytes:
    """Return the request in a file.

    Raises
    ------
    ConfigError
        If there is none.
    """
    try:
        return file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"the request {file} cannot be read: {error.strerror}") from error


def same(one: object, other: object, tolerance: float) -> bool:
    """Tell whether two JSON values are equal, numbers within `tolerance`.

    An integer equals the float of its value: Vertex AI answers every number as a float.
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            same(left, right, tolerance) for left, right in zip(one, other, strict=True)
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            same(value, other[key], tolerance) for key, value in one.items()
        )
    return one == other


def _agrees(answer: bytes, expected: Sequence[Any], tolerance: float) -> bool:
    try:
        found = json.loads(answer)["predictions"]
    except (ValueError, TypeError, KeyError):
        return False
    return same(found, list(expected), tolerance)


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
