"""What a target knows of a deployment's live requests: sums, and single answers."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Metrics:
    """Live requests to one deployment since some moment; copies count for who got the copy.

    Attributes
    ----------
    requests : int
        Requests that came.
    errors : int
        Those that the deployment failed: answered 5xx, or not at all. What it refused with 4xx
        is the caller's fault, and counts as answered.
    latency_p95_ms : float or None
        95th percentile of the answers' milliseconds; None where the target does not say.
    low_confidence : float or None
        Share of the predictions that the model was not sure of; None where nobody says.
    predictions : Mapping[str, int]
        How often each came, strings as they are, all else as JSON; empty where nobody says.
    """

    requests: int = 0
    errors: int = 0
    latency_p95_ms: float | None = None
    low_confidence: float | None = None
    predictions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """One live request, as the target remembers it.

    Attributes
    ----------
    request : str
        The request's id: its ``X-Request-Id``. A copy has that of what it copies.
    predictions : tuple
        One JSON value for each row; empty if it failed.
    milliseconds : float
        Until the answer was there.
    status : int
        HTTP status, 0 if there was no answer.
    """

    request: str
    predictions: tuple[Any, ...]
    milliseconds: float
    status: int = 200

    @property
    def failed(self) -> bool:
        """Whether the deployment failed: 4xx is the caller's fault."""
        return self.status >= 500 or not self.status


def summed(answers: Sequence[Answer]) -> Metrics:
    """Return what single answers come to."""
    good = sorted(one.milliseconds for one in answers if not one.failed)
    return Metrics(
        requests=len(answers),
        errors=sum(one.failed for one in answers),
        latency_p95_ms=good[math.ceil(0.95 * len(good)) - 1] if good else None,
        predictions=dict(Counter(label(each) for one in answers for each in one.predictions)),
    )


def label(prediction: object) -> str:
    """Write a prediction as counts name it: a string as it is, all else as JSON."""
    if isinstance(prediction, dict) and prediction.keys() == {"prediction", "probabilities"}:
        return label(prediction["prediction"])
    return prediction if isinstance(prediction, str) else json.dumps(prediction, sort_keys=True)


def predictions(body: bytes) -> tuple[Any, ...]:
    """Return the predictions in an answer's body; none where it has another form."""
    try:
        told = json.loads(body)
    except ValueError:
        return ()
    if isinstance(told, dict):
        told = told.get("predictions", [told["prediction"]] if "prediction" in told else ())
    return tuple(told) if isinstance(told, list) else ()


def with_log(found: Metrics, lines: Iterable[str], since: datetime) -> Metrics:
    """Add what only the model server knows: how sure its model was.

    It writes a line of JSON now and then while requests come: ``{"event": "predictions",
    "time": …, "rows": …, "low_confidence": …}``, with the counts since the line before.
    """
    told = [line for line in map(_event, lines) if line and line["time"] >= since]
    rows = sum(line["rows"] for line in told)
    if not rows:
        return found
    low = sum(line["low_confidence"] for line in told)
    return replace(found, low_confidence=low / rows)


def _event(line: str) -> dict[str, Any] | None:
    if '"predictions"' not in line:
        return None
    try:
        told = json.loads(line)
        if told["event"] == "predictions" and told["low_confidence"] is not None:
            return {**told, "time": datetime.fromisoformat(told["time"])}
    except (ValueError, TypeError, KeyError):
        return None
    return None
