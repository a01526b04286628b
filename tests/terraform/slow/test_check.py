"""`make tf-check` where Terraform stands and its registry does not answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.terraform.test_check import last_line

#: An address of this machine where no server listens: port 9 is for `discard` (RFC 863).
NO_PROXY_HERE = "http://127.0.0.1:9"


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on PATH")
def test_without_a_registry_the_last_line_says_what_was_not_checked(tmp_path: Path) -> None:
    (tmp_path / "terraform.rc").touch()  # no mirror
    code, line = last_line(
        TRIDOCK_TERRAFORM_MIRROR=str(tmp_path), HTTPS_PROXY=NO_PROXY_HERE, https_proxy=NO_PROXY_HERE
    )
    assert code == 0
    assert line.startswith(
        "tf-check: NOT CHECKED: aws (validity, tests, plans, checkov), azure (validity, tests, "
        "plans, checkov), gcp (validity, tests, plans, checkov): no provider registry answers"
    )
