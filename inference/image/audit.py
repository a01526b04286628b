"""Known vulnerabilities of what an image is locked to, as pip-audit finds them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes
    ----------
    known : int
        Number of distributions that the data know; what they do not know is not called safe.
    found : tuple of str
        One line for each vulnerability.
    unknown : int
        Number of those that they do not.
    reason : str
        Why not.
    """

    known: int
    found: tuple[str, ...] = ()
    unknown: int = 0
    reason: str = ""

    def __str__(self) -> str:
        asked = f"{len(self.found)} known vulnerabilities in {self.known} distributions"
        left = f"{self.unknown} not audited: {self.reason}"
        return "; ".join([asked] * bool(self.known) + [left] * bool(self.reason))


def audit(tool: Path, requirements: Path, to: Path) -> Report:
    """Ask about every pin of `requirements`, and keep the answer as JSON.

    Parameters
    ----------
    tool : Path
        pip-audit's command.
    requirements : Path
        With hashes; nothing is downloaded or installed.
    to : Path
        Where its report goes; there is none if the data could not be reached.
    """
    to.unlink(missing_ok=True)
    pins = requirements.read_text().count("==")
    words = ["--disable-pip", "--require-hashes", "--requirement", str(requirements)]
    words += ["--progress-spinner", "off", "--format", "json", "--output", str(to)]
    try:
        done = subprocess.run([tool, *words], capture_output=True, text=True, check=False)
    except OSError as error:
        return Report(0, reason=f"{tool} cannot be run: {error.strerror}", unknown=pins)
    if not to.exists():
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return Report(0, reason=said[-1][:200], unknown=pins)
    return report(json.loads(to.read_text())["dependencies"])


def report(dependencies: Sequence[Mapping[str, Any]]) -> Report:
    """Return what a report of pip-audit says; a distribution it skipped is not a safe one."""
    skipped = [one["skip_reason"] for one in dependencies if "skip_reason" in one]
    found = []
    for one in dependencies:
        for each in one.get("vulns", ()):
            fixed = ", ".join(each["fix_versions"]) or "no version yet"
            found.append(f"{one['name']} {one['version']}: {each['id']}, fixed in {fixed}")
    known = len(dependencies) - len(skipped)
    return Report(known, tuple(found), len(skipped), "".join(skipped[:1]))
