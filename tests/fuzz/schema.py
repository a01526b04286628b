"""Schemathesis, from its own environment, against a running server."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".venvs" / "fuzz" / "bin" / "schemathesis"
#: A schema cannot say which rows a model refuses (a sum that overflows), nor what CSV text is; and
#: `GET /score` is there for scripts alone, which the description of a model leaves out.
LEFT_OUT = ("positive_data_acceptance", "allow_header_conformance")
SECONDS = 900.0
#: Routes that predict; the others take no body, and their few cases are soon all drawn.
OPERATIONS = 4


@dataclass
class Schemathesis:
    """What Schemathesis saw.

    Attributes
    ----------
    requests : int
        Answered.
    statuses : Counter
        Answers by status.
    failures : Counter
        Failed checks, by name and message.
    """

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def server_errors(self) -> int:
        """Answers with 500 and more."""
        return sum(count for status, count in self.statuses.items() if status >= 500)


def run(url: str, folder: Path, requests: int, seed: int) -> Schemathesis:
    """Have Schemathesis send at least so many requests, good and bad ones, and read its report.

    Raises
    ------
    RuntimeError
        If it does not run to its end.
    """
    report = folder / f"schema-{seed}.ndjson"
    options = ["--phases", "examples,coverage,fuzzing", "--exclude-checks", ",".join(LEFT_OUT)]
    options += ["--max-examples", str(max(1, requests // OPERATIONS)), "--seed", str(seed)]
    options += ["--continue-on-failure", "--no-shrink", "--no-color", "--suppress-health-check=all"]
    options += ["--report", "ndjson", "--report-ndjson-path", str(report)]
    options += ["--generation-database", "none"]
    done = subprocess.run(
        [str(PROGRAM), "run", f"{url}/openapi.json", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if done.returncode not in (0, 1) or not report.exists():
        raise RuntimeError(f"schemathesis ended with {done.returncode}: {done.stdout[-2000:]}")
    return _read(report)


def _read(report: Path) -> Schemathesis:
    found = Schemathesis()
    for recorder in _recorders(report):
        for each in recorder.get("interactions", {}).values():
            found.requests += 1
            found.statuses[(each.get("response") or {}).get("status_code", 0)] += 1
        for checks in recorder.get("checks", {}).values():
            for check in checks:
                if check["status"] == "failure":
                    found.failures[_told(recorder["label"], check)] += 1
    report.unlink()
    return found


def _recorders(report: Path) -> Iterator[dict[str, Any]]:
    with report.open() as lines:
        for line in lines:
            event = json.loads(line)
            if "ScenarioFinished" in event:
                yield event["ScenarioFinished"]["recorder"]


def _told(label: str, check: dict[str, Any]) -> str:
    failure = (check.get("failure_info") or {}).get("failure", {})
    message = " ".join(str(failure.get("message", "")).split())
    return f"{label}: {check['name']}: {message[:300]}"
