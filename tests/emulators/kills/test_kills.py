"""A small sample of `python -m tests.emulators.kills`: nothing acknowledged is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulators.kills.trial import WORKLOADS, Trial


@pytest.mark.parametrize("cloud", sorted(WORKLOADS))
def test_a_killed_emulator_has_all_that_it_acknowledged(cloud: str, tmp_path: Path) -> None:
    with Trial.begin(cloud, tmp_path, seed=7) as trial:
        for _ in range(3):
            trial.strike()
        trial.converge()
    assert trial.count.kills == 3
    assert trial.count.acknowledged > 0
    assert trial.count.lost == []
    assert trial.count.failed == []
