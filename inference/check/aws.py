"""Container contract of Amazon SageMaker."""

from __future__ import annotations

from tridock.inference.check.example import media_of
from tridock.inference.check.finding import Rule, State, Verdict
from tridock.inference.check.judgement import awake_at, healthy, kept_header, refuses_at
from tridock.inference.check.subject import Subject

HOSTING = "Use your own inference code with hosting services (SageMaker AI Developer Guide)"
BATCH = "Use your own inference code with batch transform (SageMaker AI Developer Guide)"
ASYNC = "Asynchronous inference (SageMaker AI Developer Guide)"
INVOKE = "InvokeEndpoint (SageMaker Runtime API Reference)"

PING_SECONDS = 2.0
CONNECT_SECONDS = 0.25
ANSWER_SECONDS = 60.0
PING_BYTES = 1024
HEADER_BYTES = 4096
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
#: Key of /execution-parameters to the values it may have.
STRATEGIES = ("SINGLE_RECORD", "MULTI_RECORD")


def _short_ping(subject: Subject) -> Verdict:
    came = subject.ask("GET", "/ping")
    return Verdict.of(len(came.body) <= PING_BYTES, came.told())


def _connects(subject: Subject) -> Verdict:
    came = subject.ask("GET", "/ping")
    took = f"{came.connected * 1000:.1f} ms"
    return Verdict.of(came.connected <= CONNECT_SECONDS, took)


def _json(subject: Subject) -> Verdict:
    came = subject.post("/invocations")
    return Verdict.of(came.status == 200 and came.seconds <= ANSWER_SECONDS, came.told())


def _csv(subject: Subject) -> Verdict:
    content = subject.media_of("/invocations")
    given = subject.file and media_of(subject.file)
    if "text/csv" not in (*content, given):
        return Verdict(State.ABSENT, "the server does not say that it reads CSV")
    came = subject.post("/invocations", "text/csv")
    return Verdict.of(came.status == 200, came.told())


def _framed(subject: Subject) -> Verdict:
    headers = subject.post(*_any(subject)).headers
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    framing = f"content-length {length}" if length else f"transfer-encoding {coding}"
    return Verdict.of(bool(length) or coding == "chunked", framing)


def _short_headers(subject: Subject) -> Verdict:
    headers = subject.post(*_any(subject)).headers
    size = sum(len(name) + len(value) + 4 for name, value in headers.items())
    return Verdict.of(size <= HEADER_BYTES, f"{size} bytes")


def _attributes(subject: Subject) -> Verdict:
    return kept_header(subject, "/invocations", ATTRIBUTES, "trace=7")


def _batch(subject: Subject) -> Verdict:
    came = subject.ask("GET", "/execution-parameters")
    if came.status == 404:
        return Verdict(State.ABSENT, "404: the defaults apply")
    limits = came.json()
    if came.status != 200 or not isinstance(limits, dict):
        return Verdict(State.BROKEN, came.told())
    return Verdict.of(_are_valid(limits), came.body[:200].decode(errors="replace"))


def _are_valid(limits: dict[str, object]) -> bool:
    numbers = (limits.get(key, 1) for key in ("MaxConcurrentTransforms", "MaxPayloadInMB"))
    whole = all(type(number) is int and number >= 0 for number in numbers)
    return whole and limits.get("BatchStrategy", STRATEGIES[0]) in STRATEGIES


def _any(subject: Subject) -> tuple[str, str]:
    """Return the route, and a content type there is an example of."""
    return "/invocations", media_of(subject.file) if subject.file else "application/json"


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "aws-ping", "GET /ping is 200 within 2 s", HOSTING, healthy("/ping", seconds=PING_SECONDS)
    ),
    Rule("aws-ping-body", "its body is empty, or nearly", HOSTING, _short_ping),
    Rule("aws-connect", "connections are taken within 250 ms", HOSTING, _connects),
    Rule("aws-json", "POST /invocations answers JSON within 60 s", HOSTING, _json),
    Rule("aws-csv", "POST /invocations answers CSV, if it says so", HOSTING, _csv),
    Rule("aws-framing", "answers have a length, or are chunked", ASYNC, _framed),
    Rule("aws-headers", "answers have at most 4,096 bytes of headers", ASYNC, _short_headers),
    Rule("aws-attributes", "custom attributes do no harm and stay whole", INVOKE, _attributes),
    Rule(
        "aws-bad-input",
        "a bad body is 4xx, not 5xx",
        INVOKE,
        lambda subject: refuses_at(subject, "/invocations"),
    ),
    Rule("aws-batch", "GET /execution-parameters is valid, if present", BATCH, _batch),
    Rule(
        "aws-busy",
        "GET /ping is 200 within 2 s while predictions run",
        HOSTING,
        lambda subject: awake_at(subject, "/ping", "/invocations", PING_SECONDS),
    ),
)
