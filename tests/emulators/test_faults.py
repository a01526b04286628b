"""Planned faults are counted and met."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.emulators.faults import (
    ConnectionDropped,
    Fault,
    FaultKind,
    Faults,
    Past,
    load_faults,
    read_faults,
)


def _met(faults: Faults, operation: str, calls: int) -> list[int]:
    return [number for number in range(1, calls + 1) if faults.next(operation)]


@given(st.integers(1, 20))
def test_the_nth_call_of_an_operation_is_met_once(nth: int) -> None:
    faults = Faults()
    faults.plan((Fault("CreateEndpoint", FaultKind.THROTTLE, nth=nth),))
    assert _met(faults, "DescribeEndpoint", 20) == []
    assert _met(faults, "CreateEndpoint", 25) == [nth]


def test_every_operation_counts_towards_a_star() -> None:
    faults = Faults()
    faults.plan((Fault("*", FaultKind.INTERNAL, nth=3),))
    assert [bool(faults.next(name)) for name in ("A", "B", "C", "D")] == [
        False,
        False,
        True,
        False,
    ]


def test_calls_are_counted_after_another_one() -> None:
    faults = Faults()
    fault = Fault("Describe", FaultKind.SLOW, nth=2, since="Update", since_nth=2)
    faults.plan((fault,))
    names = ["Describe", "Update", *["Describe"] * 5, "Update", "List", "Describe", "Describe"]
    assert [bool(faults.next(name)) for name in names].index(True) == len(names) - 1


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 50)])
def test_a_share_of_none_or_all_is_exact(share: float, expected: int) -> None:
    faults = Faults()
    faults.plan((Fault("*", FaultKind.UNAVAILABLE, share=share),))
    assert len(_met(faults, "A", 50)) == expected


def test_a_new_plan_counts_from_the_start() -> None:
    faults = Faults()
    plan = (Fault("A", FaultKind.SLOW, nth=2),)
    for _ in range(2):
        faults.plan(plan)
        assert _met(faults, "A", 3) == [2]
    faults.plan(())
    assert _met(faults, "A", 3) == []


def test_a_plan_is_read_with_its_kinds_by_their_values() -> None:
    item = {"operation": "CreateEndpoint", "kind": "drop-after", "nth": 2}
    expected = (Fault("CreateEndpoint", FaultKind.DROP_AFTER, nth=2),)
    assert read_faults([item]) == read_faults({"faults": [item]}) == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (None, "a list of faults was expected"),
        ({"fault": []}, "a list of faults was expected"),
        ([{"operation": "A", "kind": "sometimes", "nth": 1}], "throttle, 500, 503, slow"),
        ([{"operation": "A", "kind": "slow", "nth": 1, "every": 2}], "every"),
        ([{"kind": "slow", "nth": 1}], "operation"),
        ([{"operation": "A", "kind": "slow"}], "never happens"),
        (["slow"], "is no fault"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_would_be_one(asked: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_faults(asked)


def test_requests_to_models_are_counted_apart_and_met_by_name_alone() -> None:
    faults = Faults()
    faults.plan(
        (
            Fault("*", FaultKind.THROTTLE, nth=2),
            Fault("InvokeEndpoint", FaultKind.SLOW, nth=2),
        )
    )
    assert faults.next("CreateModel") is None
    met = [faults.next("InvokeEndpoint", apart=True) for _ in range(3)]
    assert [fault and fault.kind for fault in met] == [None, FaultKind.SLOW, None]
    due = faults.next("CreateEndpoint")
    assert due is not None
    assert due.kind is FaultKind.THROTTLE


def test_a_report_tells_the_plan_what_was_met_and_the_calls_in_order() -> None:
    faults = Faults((Fault("*", FaultKind.DROP_AFTER, nth=2, seconds=3.0),))
    for name in ("A", "B", "A"):
        faults.next(name)
    faults.next("Invoke", apart=True)
    told = json.loads(json.dumps(faults.report()))
    assert told["calls"] == ["A", "B", "A"]
    assert told["counts"] == {"A": 2, "B": 1, "*": 3, "Invoke": 1}
    assert told["met"] == [{"operation": "B", "kind": "drop-after", "call": 2}]
    assert read_faults(told) == (Fault("*", FaultKind.DROP_AFTER, nth=2, seconds=3.0),)


@pytest.mark.parametrize("kind", [FaultKind.HANG_BEFORE, FaultKind.HANG_AFTER])
def test_what_hangs_is_let_go_by_the_next_plan_and_never_answered(kind: FaultKind) -> None:
    faults, ended = Faults(), list[str]()
    fault = Fault("*", kind, nth=1, seconds=3600)
    faults.plan((fault,))

    def call() -> None:
        try:
            faults.begin(fault)
            ended.append("worked")
            faults.end(fault)
        except ConnectionDropped:
            ended.append("dropped")

    hanging = threading.Thread(target=call)
    hanging.start()
    hanging.join(0.05)
    assert hanging.is_alive()
    faults.plan(())
    hanging.join(300)
    assert ended == (["dropped"] if kind is FaultKind.HANG_BEFORE else ["worked", "dropped"])


def test_stale_reads_see_what_was_before_the_latest_change_and_then_no_more() -> None:
    past = Past(is_kept=True)
    assert past.seen("describe", "old") == "old"
    past.changed()
    past.open(2, 0.0)
    assert past.seen("describe", "new") == "old"
    assert past.seen("never asked before", "as it is") == "as it is"
    assert past.seen("describe", "new") == "new"


def test_stale_reads_end_with_their_time() -> None:
    time = 0.0
    past = Past(is_kept=True, now=lambda: time)
    past.seen("describe", "old")
    past.changed()
    past.open(0, 5.0)
    assert past.seen("describe", "new") == "old"
    time = 5.0
    assert past.seen("describe", "new") == "new"


def test_a_stale_fault_opens_the_past_from_its_call_on() -> None:
    faults = Faults((Fault("Update", FaultKind.STALE, nth=1, calls=1, seconds=0),))
    past = faults.past
    assert past.is_kept
    past.seen("describe", "old")
    assert faults.next("Update")
    past.changed()
    assert [past.seen("describe", "new") for _ in range(2)] == ["old", "new"]


def test_a_plan_is_read_from_a_file_and_a_bad_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text('[{"operation": "*", "kind": "503", "share": 0.5, "retry_after": 2}]')
    (fault,) = load_faults(file)
    assert fault == Fault("*", FaultKind.UNAVAILABLE, share=0.5, retry_after=2)
    file.write_text("none")
    with pytest.raises(ValueError, match="plan.json"):
        load_faults(file)
