"""Judgements that more than one cloud's contract makes."""

from __future__ import annotations

from collections.abc import Callable

from tridock.inference.check.finding import Verdict
from tridock.inference.check.subject import BAD_BODY, Subject

Test = Callable[[Subject], Verdict]


def healthy(path: str, seconds: float) -> Test:
    """Demand 200 from a health route in time."""
    return lambda subject: healthy_at(subject, path, seconds)


def healthy_at(subject: Subject, path: str, seconds: float) -> Verdict:
    """Judge a health route: 200, in time."""
    came = subject.ask("GET", path)
    return Verdict.of(came.status == 200 and came.seconds <= seconds, came.told())


def refuses_at(subject: Subject, path: str) -> Verdict:
    """Judge what a bad body is answered with: 4xx, the caller's fault."""
    json = {"content-type": "application/json"}
    came = subject.ask("POST", path, body=BAD_BODY, headers=json)
    return Verdict.of(400 <= came.status < 500, came.told())


def awake_at(subject: Subject, health: str, path: str, seconds: float) -> Verdict:
    """Judge a health route while the server has work."""
    longest = subject.health_while_busy(health, path)
    return Verdict.of(longest <= seconds, f"200, {longest * 1000:.0f} ms at the longest")


def kept_header(subject: Subject, path: str, name: str, value: str) -> Verdict:
    """Judge a request with a header of the platform: answered, and the header not spoilt."""
    came = subject.post(path, **{name: value})
    back = came.headers.get(name)
    shown = "not sent back" if back is None else f"sent back as {back[:60]!r}"
    return Verdict.of(came.status == 200 and back in (None, value), f"{came.status}, {shown}")
