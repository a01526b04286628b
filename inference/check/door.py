"""The command `check`: examine a server by HTTP; inspect an image and start it first."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence

from tridock.inference import check
from tridock.inference.check.finding import Finding, State
from tridock.inference.check.subject import UnreachableError
from tridock.inference.errors import BundleError
from tridock.inference.image.engine import EngineError
from tridock.inference.plaintext import lines


def main(options: argparse.Namespace) -> int:
    """Judge, print what was found, and return the exit code: 0 kept, 1 not, 2 cannot be judged."""
    try:
        findings = _server(options) if "://" in options.server else _image(options)
    except (UnreachableError, EngineError, BundleError) as error:
        print(lines(f"error: {error}"), file=sys.stderr)  # noqa: T201
        return 2
    text = as_json(options.server, findings) if options.json else table(findings)
    print(lines(text))  # noqa: T201
    return int(any(finding.falls_short for finding in findings))


def _server(options: argparse.Namespace) -> Sequence[Finding]:
    return check.judge(options.server, options.cloud or check.CLOUDS, options.example)


def _image(options: argparse.Namespace) -> Sequence[Finding]:
    from tridock.inference.bundle.bundle import Bundle
    from tridock.inference.check import image

    if not options.bundle:
        raise BundleError(
            f"{options.server} has no :// and so is an image: say what it is to serve with "
            "--bundle DIR, e.g. the one that `make bundle` makes"
        )
    folder = Bundle.read(options.bundle).path
    judged = image.judge(
        options.server, options.cloud or check.CLOUDS, folder, memory=options.memory
    )
    findings = []
    for finding in judged:
        print(f"{finding.rule}: {finding.state.value}", file=sys.stderr)  # noqa: T201
        findings.append(finding)
    return findings


# Findings as a table for people and as JSON for machines.

COLUMNS = ("rule", "state", "demands", "came", "source")


def table(findings: Sequence[Finding]) -> str:
    """Return an aligned table, and a line that sums it up."""
    rows = [COLUMNS, *(_row(finding) for finding in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", summary(findings)])


def as_json(url: str, findings: Sequence[Finding]) -> str:
    """Return the findings as one JSON object."""
    record = {
        "url": url,
        "kept": not any(finding.falls_short for finding in findings),
        "findings": [finding.record() for finding in findings],
    }
    return json.dumps(record, indent=2)


def summary(findings: Iterable[Finding]) -> str:
    """Count the findings by state."""
    states = [finding.state for finding in findings]
    counted = (f"{states.count(state)} {state.value}" for state in State if state in states)
    return f"{len(states)} rules: {', '.join(counted)}"


def _row(finding: Finding) -> tuple[str, ...]:
    return (finding.rule, finding.state.value, finding.what, finding.came, finding.source)
