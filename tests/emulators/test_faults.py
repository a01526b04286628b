"""Planned faults are counted and met."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.faults import Fault, FaultKind, Faults


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
