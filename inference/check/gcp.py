"""Container contract of Vertex AI."""

from __future__ import annotations

import json

from tridock.inference.check.finding import Rule, Verdict
from tridock.inference.check.judgement import awake_at, healthy_at, refuses_at
from tridock.inference.check.subject import Response, Subject

CONTAINER = "Custom container requirements for inference (Vertex AI)"
ENDPOINTS = "Choose an endpoint type (Vertex AI)"

HEALTH_SECONDS = 10.0
ANSWER_SECONDS = 60.0
#: A shared public endpoint carries no more.
ANSWER_BYTES = 1_500_000


def _ask(subject: Subject, **more: object) -> Response:
    body = json.dumps({**subject.instances(), **more}).encode()
    headers = {"content-type": "application/json"}
    return subject.ask("POST", subject.vertex_predict, body=body, headers=headers)


def _health(subject: Subject) -> Verdict:
    return healthy_at(subject, subject.vertex_health, HEALTH_SECONDS)


def _predict(subject: Subject) -> Verdict:
    came = _ask(subject)
    content = came.json()
    fits = came.status == 200 and isinstance(content, dict) and "predictions" in content
    keys = f"keys {sorted(content)[:5]}" if isinstance(content, dict) else "no JSON object"
    return Verdict.of(fits and came.seconds <= ANSWER_SECONDS, f"{came.told()}, {keys}")


def _length(subject: Subject) -> Verdict:
    sent, length = len(subject.instances()["instances"]), _ask(subject).json()
    predictions = length.get("predictions") if isinstance(length, dict) else None
    came = len(predictions) if isinstance(predictions, list) else "no list"
    return Verdict.of(sent == came, f"{came} for {sent} instances")


def _parameters(subject: Subject) -> Verdict:
    came = _ask(subject, parameters={})
    return Verdict.of(came.status == 200, came.told())


def _json(subject: Subject) -> Verdict:
    media = _ask(subject).headers.get_content_type()
    return Verdict.of(media == "application/json", media)


def _size(subject: Subject) -> Verdict:
    size = len(_ask(subject).body)
    return Verdict.of(size <= ANSWER_BYTES, f"{size} bytes")


def _refuses(subject: Subject) -> Verdict:
    return refuses_at(subject, subject.vertex_predict)


def _busy(subject: Subject) -> Verdict:
    health, predict = subject.vertex_health, subject.vertex_predict
    return awake_at(subject, health, predict, HEALTH_SECONDS)


RULES: tuple[Rule[Subject], ...] = (
    Rule("gcp-health", "GET the health route is 200 within 10 s", CONTAINER, _health),
    Rule("gcp-predict", 'POST {"instances"} answers {"predictions"}', CONTAINER, _predict),
    Rule("gcp-length", "there is one prediction for each instance", CONTAINER, _length),
    Rule("gcp-parameters", 'POST with "parameters" is answered too', CONTAINER, _parameters),
    Rule("gcp-json", "the answer's content type is application/json", CONTAINER, _json),
    Rule("gcp-size", "the answer has at most 1.5 MB", ENDPOINTS, _size),
    Rule("gcp-bad-input", "a bad body is 4xx, not 5xx", CONTAINER, _refuses),
    Rule("gcp-busy", "health is 200 within 10 s while predictions run", CONTAINER, _busy),
)
