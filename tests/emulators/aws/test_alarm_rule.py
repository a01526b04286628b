"""CloudWatch's rules for alarms, against the tables of its user guide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.emulators.aws.cloudwatch.alarm_rule import Rule, State, judge, percentile

KEPT = "kept"

#: User guide, first table: 3 data points out of 3; x breaches, 0 does not, - is missing.
THREE_OF_THREE = [
    ("0-x-x", "OK", "OK", "OK", "OK"),
    ("0----", "OK", "OK", "OK", "OK"),
    ("-----", "INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
    ("0xx-x", "ALARM", "ALARM", "ALARM", "ALARM"),
    ("--x--", "ALARM", KEPT, "ALARM", "OK"),
    ("----x", "INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
    ("x----", "ALARM", KEPT, "ALARM", "OK"),
]

#: Second table: 2 data points out of 3.
TWO_OF_THREE = [
    ("0-x-x", "ALARM", "ALARM", "ALARM", "ALARM"),
    ("00x0x", "ALARM", "ALARM", "ALARM", "ALARM"),
    ("0-x--", "OK", "OK", "ALARM", "OK"),
    ("----0", "OK", "OK", "ALARM", "OK"),
    ("----x", "INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
]

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def _cases() -> list[tuple[int, str, str, str]]:
    tables = ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
    return [
        (datapoints, points, missing, expected)
        for datapoints, table in tables
        for points, *states in table
        for missing, expected in zip(TREATMENTS, states, strict=True)
    ]


@pytest.mark.parametrize(("datapoints", "points", "missing", "expected"), _cases())
@pytest.mark.parametrize("current", [State.OK, State.ALARM])
def test_the_state_is_that_of_the_user_guide(
    datapoints: int, points: str, missing: str, expected: str, current: State
) -> None:
    rule = Rule("GreaterThanThreshold", 1.0, 3, datapoints, missing)
    values = [{"x": 2.0, "0": 1.0, "-": None}[point] for point in points]
    wanted = current if expected == KEPT else State(expected)
    assert judge(values, rule, current) is wanted


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", {3.0}),
        ("GreaterThanOrEqualToThreshold", {2.0, 3.0}),
        ("LessThanThreshold", {1.0}),
        ("LessThanOrEqualToThreshold", {1.0, 2.0}),
    ],
)
def test_each_comparison_says_which_side_is_wrong(comparison: str, breaching: set[float]) -> None:
    rule = Rule(comparison, 2.0, 1, 1)
    assert {value for value in (1.0, 2.0, 3.0) if rule.breaches(value)} == breaching


numbers = st.floats(-1e9, 1e9)


@given(st.lists(numbers, min_size=10, max_size=12), st.integers(1, 10), st.data())
def test_when_nothing_is_missing_the_treatment_does_not_matter(
    points: list[float], periods: int, data: st.DataObject
) -> None:
    needed = data.draw(st.integers(1, periods))
    rules = [Rule("GreaterThanThreshold", 0.0, periods, needed, each) for each in TREATMENTS]
    assert len({judge(points, rule, State.OK) for rule in rules}) == 1


@given(st.lists(numbers, min_size=1), st.floats(0, 100))
def test_a_percentile_lies_between_the_extremes_and_grows(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    slack = 1e-6 * max(1.0, *(abs(value) for value in values))
    assert min(values) - slack <= found <= max(values) + slack
    assert percentile(values, 0) == min(values)
    assert percentile(values, 100) == max(values)
    assert found <= percentile(values, 100) + slack


def test_the_median_of_two_is_between_them() -> None:
    assert percentile([4.0, 2.0], 50) == 3.0
