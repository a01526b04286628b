from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.deploy.staging import Told
from tridock.deploy.progress import Progress
from tridock.deploy.target.errors import TargetError


def test_steps_are_plain_lines_with_their_time_where_there_is_no_terminal() -> None:
    told = Told()
    with told.progress().step("upload iris 1") as step:
        step.detail = "s3://[bucket]/key"
    told.progress().note("a remark")
    lines = str(told).splitlines()
    assert lines[0].endswith("s  upload iris 1: s3://[bucket]/key")
    assert lines[1].strip() == "a remark"
    assert "\x1b" not in str(told)


def test_a_step_that_fails_says_so_and_the_error_goes_on() -> None:
    told = Told()
    with pytest.raises(TargetError), told.progress().step("deploy"):
        raise TargetError("no")
    assert "FAILED deploy" in str(told)


def test_a_terminal_is_drawn_on() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=True, width=100)).step("wait"):
        pass
    assert "\x1b[" in out.getvalue()
