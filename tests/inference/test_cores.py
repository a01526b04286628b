"""Cores: what the container's quota leaves of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tridock.inference import cpu

MACHINE = float(len(os.sched_getaffinity(0)))


def version_2(root: Path, text: str) -> Path:
    (root / "cpu.max").write_text(text)
    return root


def version_1(root: Path, quota: str, period: str) -> Path:
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (root / "cpu" / "cpu.cfs_period_us").write_text(period)
    return root


def test_a_quota_is_a_share_of_the_machine(tmp_path: Path) -> None:
    assert cpu.available(version_2(tmp_path, "50000 100000\n")) == 0.5
    assert cpu.whole(tmp_path) == 1


def test_a_quota_of_version_1_counts_too(tmp_path: Path) -> None:
    assert cpu.available(version_1(tmp_path, "25000\n", "100000\n")) == 0.25


@pytest.mark.parametrize("text", ["max 100000\n", "9900000 100000\n", "", "1 0\n", "what ever\n"])
def test_without_a_smaller_quota_it_is_the_machine(tmp_path: Path, text: str) -> None:
    assert cpu.available(version_2(tmp_path, text)) == MACHINE


def test_no_quota_of_version_1_is_a_negative_one(tmp_path: Path) -> None:
    assert cpu.available(version_1(tmp_path, "-1\n", "100000\n")) == MACHINE


def test_without_control_groups_it_is_the_machine(tmp_path: Path) -> None:
    assert cpu.available(tmp_path / "absent") == MACHINE
    assert cpu.whole(tmp_path / "absent") == int(MACHINE)
