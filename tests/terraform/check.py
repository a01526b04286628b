"""`make tf-check`: format, validity, tests, a plan and checkov, for each module of terraform/."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.terraform.module import (
    CLOUDS,
    EVERYTHING,
    MODULES,
    ROOT,
    Module,
    TerraformError,
    UnavailableError,
)

CHECKOV = ROOT / ".venvs" / "checkov" / "bin" / "checkov"


class CheckError(Exception):
    """A check said no; the message is what it printed."""


def check(cloud: str, folder: Path) -> str:
    """Run every check of one module and return a line that tells what was seen."""
    began = time.monotonic()
    module = Module.copied(cloud, folder)
    module.run("validate", "-no-color")
    runs = re.search(r"(\d+) passed, 0 failed", module.run("test", "-no-color"))
    if runs is None or runs[1] == "0":
        raise CheckError("terraform test ran nothing")
    plans = [_resources(module.plan()), _resources(module.plan(**EVERYTHING))]
    found = [
        f"{assertions(cloud)} assertions in {runs[1]} runs",
        f"{plans[0]} resources planned, {plans[1]} with everything switched on",
        _checkov(cloud, folder / "scanned"),
    ]
    return f"{cloud}: valid; {'; '.join(found)} ({time.monotonic() - began:.0f} s)"


def assertions(cloud: str) -> int:
    """Count what the module's tests assert, refusals among it."""
    tests = "".join(path.read_text() for path in (MODULES / cloud / "tests").glob("*.hcl"))
    return len(re.findall(r"^\s*(?:assert \{|expect_failures)", tests, re.MULTILINE))


def _resources(plan: object) -> int:
    changes = plan["resource_changes"]  # type: ignore[index]
    return sum(each["change"]["actions"] == ["create"] for each in changes)


def _checkov(cloud: str, folder: Path) -> str:
    if not CHECKOV.exists():
        return "no checkov"
    (folder / cloud).mkdir(parents=True)
    for path in (MODULES / cloud).glob("*.tf"):
        shutil.copy(path, folder / cloud)
    words = ["-d", str(folder / cloud), "--framework", "terraform", "--compact", "--skip-download"]
    said = subprocess.run(
        [str(CHECKOV), *words, "-o", "json"], capture_output=True, text=True, check=False
    )
    summary = json.loads(said.stdout)["summary"]
    if summary["failed"] or summary["parsing_errors"] or not summary["passed"]:
        raise CheckError(_failures(json.loads(said.stdout)))
    return f"checkov {summary['passed']} passed, 0 failed, {summary['skipped']} skipped"


def _failures(report: dict[str, dict[str, list[dict[str, str]]]]) -> str:
    failed = report["results"]["failed_checks"]
    lines = [f"{each['check_id']} {each['resource']}: {each['check_name']}" for each in failed]
    return "\n".join(["checkov failed", *lines])


def _formatted() -> None:
    command = ["terraform", "fmt", "-check", "-recursive", "-diff", str(MODULES)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise CheckError(f"terraform fmt would change:\n{said.stdout}{said.stderr}")


@dataclass
class Report:
    """What was printed of the checks, and what was left out."""

    code: int = 0
    unchecked: dict[str, list[str]] = field(default_factory=dict)

    def say(self, line: str, *, failed: bool = False) -> None:
        """Print a line at once, and remember a failure."""
        self.code = 1 if failed else self.code
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def skip(self, what: str, reason: str) -> None:
        """Remember what could not be checked."""
        self.unchecked.setdefault(reason, []).append(what)

    def end(self) -> int:
        """Print what was not checked as the last line, and return the exit code."""
        left_out = [f"{', '.join(what)}: {reason}" for reason, what in self.unchecked.items()]
        if left_out:
            self.say(f"tf-check: NOT CHECKED: {'; '.join(left_out)}")
        else:
            self.say("tf-check: everything was checked")
        return self.code


def main() -> int:
    """Check every module and return the exit code: 0 too where Terraform cannot run."""
    report = Report()
    if shutil.which("terraform") is None:
        report.skip("all of Terraform", "terraform is not on PATH, install Terraform 1.9 or newer")
        return report.end()
    try:
        _formatted()
        report.say("terraform fmt: nothing to change")
    except CheckError as error:
        report.say(str(error), failed=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        pending = {cloud: pool.submit(check, cloud, Path(folder)) for cloud in CLOUDS}
        for cloud, one in pending.items():
            _collect(report, cloud, one)
    return report.end()


def _collect(report: Report, cloud: str, pending: Future[str]) -> None:
    try:
        report.say(pending.result())
    except UnavailableError as error:
        report.skip(f"{cloud} (validity, tests, plans, checkov)", str(error))
    except (CheckError, TerraformError) as error:
        report.say(f"{cloud}: FAILED\n{error}", failed=True)
    else:
        if not CHECKOV.exists():
            report.skip(f"{cloud} (checkov)", "checkov is not installed, make .venvs/checkov/ready")


if __name__ == "__main__":
    sys.exit(main())
