"""`make tf-check`: what it could not check is in its last line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.terraform.module import ROOT


def last_line(**variables: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.terraform.check"],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()[-1]


def test_without_terraform_the_last_line_says_that_nothing_was_checked(tmp_path: Path) -> None:
    assert last_line(PATH=str(tmp_path)) == (
        0,
        "tf-check: NOT CHECKED: all of Terraform: terraform is not on PATH, install Terraform 1.9 "
        "or newer",
    )
