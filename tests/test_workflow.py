"""The hosted workflow runs what there is: make targets, on the supported Pythons."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
JOBS: dict[str, Any] = WORKFLOW["jobs"]


@pytest.mark.parametrize("job", JOBS)
def test_every_command_is_a_target_of_the_makefile(job: str) -> None:
    commands = [step["run"] for step in JOBS[job]["steps"] if "run" in step]
    targets = {re.findall(r"^make ([a-z-]+)( PYTHON=python)?$", each)[0][0] for each in commands}
    defined = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets
    assert targets <= defined


def test_the_matrix_has_the_supported_pythons_and_both_systems() -> None:
    matrix = JOBS["tests"]["strategy"]["matrix"]
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert oldest == f">={matrix['python'][0]}"
    systems = {*matrix["os"], *(more["os"] for more in matrix["include"])}
    assert systems == {"ubuntu-latest", "macos-latest"}


def test_no_job_has_more_than_the_right_to_read() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not [job for job in JOBS.values() if "permissions" in job]
