"""Findings as a table for people and as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from tridock.inference.check.finding import Finding, State

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
