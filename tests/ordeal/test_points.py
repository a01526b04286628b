"""Calls are named by what surrounds them, and trials are remembered."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ordeal import ledger, points
from tests.ordeal.ledger import Ledger
from tests.ordeal.points import Point
from tests.ordeal.trial import Result

NAMES = st.sampled_from(["DescribeEndpoint", "ListTags", "UpdateEndpoint", "PutObject"])


def changes(calls: list[str]) -> list[Point]:
    return [each for each in points.of(calls) if not points.is_read(each.operation)]


@given(st.lists(NAMES, max_size=12), st.integers(0, 12), st.integers(1, 5))
def test_polls_do_not_rename_changes(calls: list[str], at: int, polls: int) -> None:
    polled = [*calls[:at], *["DescribeEndpoint"] * polls, *calls[at:]]
    assert changes(polled) == changes(calls)


@given(st.lists(NAMES, max_size=12))
def test_each_change_is_a_point_and_each_operation_between_two_is(calls: list[str]) -> None:
    found = points.of(calls)
    assert len(found) == len(set(found))
    assert len(changes(calls)) == sum(not points.is_read(name) for name in calls)
    assert {each.operation for each in found} == set(calls)


def test_a_read_is_named_by_the_change_before_it() -> None:
    calls = ["GetObject", "PutObject", *["DescribeEndpoint"] * 5, "PutObject", "DescribeEndpoint"]
    assert [str(each) for each in points.of(calls)] == [
        "PutObject 1",
        "PutObject 2",
        "GetObject 1",
        "DescribeEndpoint 1 after PutObject 1",
        "DescribeEndpoint 4 after PutObject 1",
        "DescribeEndpoint 1 after PutObject 2",
    ]


@pytest.mark.parametrize("call", ["POST getAuthtoken", "POST datastores/listSecrets", "GET blob"])
def test_reading_a_secret_is_no_change_of_the_cloud(call: str) -> None:
    assert points.is_read(call)


def test_only_what_went_wrong_or_was_not_met_is_tried_again(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "aws-blue-green.jsonl")
    book.begin(calls=7, distinct=3)
    good = Result("kill-after", Point("PutObject"), met=True, sent=5)
    lost = Result("stale", Point("PutObject"), met=True, sent=4, problems=["traffic"])
    for each in (good, lost, Result("slow", Point("PutObject", 2))):
        book.add(each)
    assert book.done() == {good.key}
    row = book.row()
    assert (row.target, row.strategy, row.is_bad) == ("aws", "blue-green", True)
    book.add(Result("stale", Point("PutObject"), met=True, sent=6))
    row = book.row()
    assert (row.kills, row.faults, row.not_met, row.sent, row.is_bad) == (1, 1, 1, 11, False)


def test_a_row_names_a_service_and_what_was_tried_on_it(tmp_path: Path) -> None:
    for stem in ("cloud-run-blue-green", "container-apps-canary", "aci-first-release"):
        Ledger(tmp_path / f"{stem}.jsonl").begin(calls=1, distinct=1)
    rows = [(one.target, one.strategy) for one in ledger.rows(tmp_path)]
    assert rows == [
        ("aci", "first-release"),
        ("cloud-run", "blue-green"),
        ("container-apps", "canary"),
    ]


def test_orphans_are_remembered_by_name(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "gcp-linear.jsonl")
    book.begin(calls=7, distinct=3)
    left = Counter({"endpoint ENDPOINT": 1, "object bundles/DIGEST": 2})
    book.add(Result("stale", Point("UpdateEndpoint"), met=True, orphans=left))
    assert dict(left) == json.loads(book.file.read_text().splitlines()[-1])["orphans"]
    assert book.row().orphans == 3
