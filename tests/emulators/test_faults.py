"""Planned faults are counted and met."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.faults import Fault, FaultKind, Faults, read_faults


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
