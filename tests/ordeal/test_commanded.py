"""A sample of the ordeal of commands beside a release; `make ordeal` strikes at every call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ordeal.__main__ import prepared
from tests.ordeal.points import Point

#: A command, and where it is killed on this machine: right after the call was done.
STRIKES = {
    "rollback": Point("set_traffic"),
    "stop": Point("undeploy"),
    "delete": Point("delete"),
    "alias": Point("models.alias"),
}


@pytest.mark.parametrize("verb", STRIKES)
def test_a_command_that_was_killed_is_done_by_the_same_command(verb: str, tmp_path: Path) -> None:
    with prepared(tmp_path, "local", verb) as ordeal:
        result = ordeal.strike("kill-after", STRIKES[verb])
    assert result.met
    assert not result.problems, "\n".join(result.problems)
    assert not result.orphans
    assert not result.failed
