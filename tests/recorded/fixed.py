"""Rules that replace what differs between two runs of the same code by fixed words."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
#: Longer texts are recorded as a digest, with their beginning.
LONG = 6000

Rule = tuple[re.Pattern[str], str]

#: Applied in this order to every text.
RULES: tuple[Rule, ...] = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} [\d:]{8} GMT"), "DATE"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b(127\.0\.0\.1|localhost|0\.0\.0\.0):\d{4,5}\b"), r"\1:PORT"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"(?m)^ +\d+\.\d\d s  "), "N s  "),
    (re.compile(r'"request_id": ?"[0-9a-f]{32}"'), '"request_id":"ID"'),
    (re.compile(r"\bpid \d+"), "pid N"),
    (re.compile(r"\b\d+(\.\d+)? (s|ms|seconds|milliseconds)\b"), r"N \2"),
    (re.compile(r'("(ms|milliseconds|pid|port|duration|seconds)": ?)\d+(\.\d+)?'), r"\g<1>0"),
    (re.compile(r"/tmp/tmp\w+"), "SCRATCH"),
)


def fixed(text: str, places: dict[str, str] | None = None) -> str:
    """Apply the rules, after the replacement of `places`: path to word."""
    known = {**(places or {}), sys.executable: "PYTHON", ROOT: "ROOT"}
    for place in sorted(known, key=len, reverse=True):
        text = text.replace(place, known[place])
    for pattern, word in RULES:
        text = pattern.sub(word, text)
    return text


def shortened(text: str) -> str:
    """Return a long text as its beginning, its length and its digest."""
    if len(text) <= LONG:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
    return f"{text[:400]}… {len(text)} characters, SHA-256 {digest}"
