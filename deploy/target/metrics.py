"""Metrics of a deployment's live requests: sums, and single answers."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tridock.deploy.target.errors import InvokeError


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
        Share of the predictions that the model was not sure of; None where unknown.
    predictions : Mapping[str, int]
        How often each came, strings as they are, all else as JSON; empty where unknown.
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
    milliseconds : float or None
        Until the answer was there; None where the target does not keep that.
    status : int
        HTTP status, 0 if there was no answer.
    """

    request: str
    predictions: tuple[Any, ...]
    milliseconds: float | None
    status: int = 200

    @property
    def failed(self) -> bool:
        """True if the deployment failed: 4xx is the caller's fault."""
        return self.status >= 500 or not self.status


def summed(answers: Sequence[Answer]) -> Metrics:
    """Return what single answers come to."""
    good = sorted(times(answers))
    return Metrics(
        requests=len(answers),
        errors=sum(answer.failed for answer in answers),
        latency_p95_ms=good[math.ceil(0.95 * len(good)) - 1] if good else None,
        predictions=dict(
            Counter(label(prediction) for answer in answers for prediction in answer.predictions)
        ),
    )


def times(answers: Sequence[Answer]) -> list[float]:
    """Return the milliseconds of what was answered, as far as they are kept."""
    return [
        answer.milliseconds
        for answer in answers
        if answer.milliseconds is not None and not answer.failed
    ]


def label(prediction: object) -> str:
    """Write a prediction as counts name it: a string as it is, all else as JSON."""
    if isinstance(prediction, dict) and prediction.keys() == {"prediction", "probabilities"}:
        return label(prediction["prediction"])
    return prediction if isinstance(prediction, str) else json.dumps(prediction, sort_keys=True)


def predictions(body: bytes) -> tuple[Any, ...]:
    """Return the predictions in an answer's body; none where it has another form."""
    try:
        content = json.loads(body)
    except ValueError:
        return ()
    if isinstance(content, dict):
        content = content.get(
            "predictions", [content["prediction"]] if "prediction" in content else ()
        )
    return tuple(content) if isinstance(content, list) else ()


def with_log(metrics: Metrics, lines: Iterable[str], since: datetime) -> Metrics:
    """Add what only the model server knows: how sure its model was, and what it predicted.

    It writes a line of JSON now and then while requests come (`inference.bulletin`), with the
    counts since the line before, the judge's own requests among them::

        {"event": "predictions", "time": …, "rows": …, "low_confidence": …, "looked_at": …,
         "predictions": {…}}

    The model's confidence is of `looked_at` of the `rows`, a sample. A line that
    was written after `since` may count a few requests that came before it.

    Parameters
    ----------
    metrics : Metrics
        What the target measured; its predictions are kept if it has any.
    lines : iterable of str
        Of the model server's log; those that are something else are passed over.
    since : datetime
        Lines of before are passed over.
    """
    content = [line for line in map(_event, lines) if line and line.time >= since]
    sure = [line for line in content if line.low is not None]
    rows = sum(line.rows for line in sure)
    low = sum(line.rows * line.low for line in sure if line.low is not None)
    return replace(
        metrics,
        low_confidence=low / rows if rows else metrics.low_confidence,
        predictions=metrics.predictions or _added(content),
    )


@dataclass(frozen=True)
class _Event:
    time: datetime
    rows: int
    low: float | None
    predictions: Mapping[str, int] | None

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> _Event:
        low, looked_at = content["low_confidence"], content.get("looked_at", content["rows"])
        return cls(
            datetime.fromisoformat(content["time"]),
            int(content["rows"]),
            low / looked_at if low is not None and looked_at else None,
            content.get("predictions"),
        )


def _event(line: str) -> _Event | None:
    if '"predictions"' not in line:
        return None
    try:
        content = json.loads(line[line.find("{") :])  # some clouds put a time before it
        return _Event.of(content) if content["event"] == "predictions" else None
    except (ValueError, TypeError, KeyError):
        return None


def _added(content: Iterable[_Event]) -> Mapping[str, int]:
    """Add up the predictions; none where there were too many kinds at any time."""
    counts: Counter[str] = Counter()
    for line in content:
        if line.predictions is None:
            return {}
        counts.update(line.predictions)
    return dict(counts)


# Requests of our own to one deployment, which a cloud's metrics cannot tell from live ones.


@dataclass(frozen=True)
class Own:
    """Requests that this process sent, kept as long as it runs."""

    _sent: dict[tuple[str, str], list[tuple[datetime, bool]]] = field(default_factory=dict)

    def note(self, endpoint: str, deployment: str, *, failed: bool) -> None:
        """Remember a request that a deployment has answered just now.

        Parameters
        ----------
        failed : bool
            Whether it answered 5xx.
        """
        self._sent.setdefault((endpoint, deployment), []).append((datetime.now(UTC), failed))

    @contextmanager
    def noting(self, endpoint: str, deployment: str | None) -> Iterator[None]:
        """Remember the request that the block sends, if it names a deployment and is answered."""
        try:
            yield
        except InvokeError as error:
            if deployment:
                self.note(endpoint, deployment, failed=error.status >= 500)
            raise
        if deployment:
            self.note(endpoint, deployment, failed=False)

    def between(self, key: tuple[str, str], since: datetime, until: datetime) -> tuple[int, int]:
        """Return how many a deployment answered from one moment to another, and how many failed."""
        outcomes = [failed for when, failed in self._sent.get(key, ()) if since <= when < until]
        return len(outcomes), sum(outcomes)
