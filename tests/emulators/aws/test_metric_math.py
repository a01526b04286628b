"""Metric math, period by period."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.emulators.aws.cloudwatch.metric_math import ExpressionError, evaluate

SERIES: dict[str, list[float | None]] = {"errors": [1.0, None, 3.0], "calls": [4.0, 5.0, 0.0]}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("errors", [1.0, None, 3.0]),
        ("100 * errors / calls", [25.0, None, None]),
        ("FILL(errors, 0) + calls", [5.0, 5.0, 3.0]),
        ("IF(calls > 3, errors, -1)", [1.0, None, -1.0]),
        ("IF(calls > 3 && calls < 5, 1)", [1.0, None, None]),
        ("SUM([errors, calls])", [5.0, 5.0, 3.0]),
        ("AVG([errors, calls]) ^ 2", [6.25, 25.0, 2.25]),
        ("MAX([errors, calls]) - MIN([errors, calls])", [3.0, 0.0, 3.0]),
    ],
)
def test_an_expression_has_a_value_in_each_period(
    expression: str, expected: list[float | None]
) -> None:
    assert evaluate(expression, SERIES) == expected


@pytest.mark.parametrize(
    "expression", ["unknown + 1", "ANOMALY_DETECTION_BAND(errors)", "1 +", "a.b"]
)
def test_what_is_not_understood_is_named(expression: str) -> None:
    with pytest.raises(ExpressionError, match="metric math"):
        evaluate(expression, SERIES)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1))
def test_filling_leaves_no_gap_and_changes_nothing_else(points: list[float | None]) -> None:
    assert evaluate("FILL(m, 7)", {"m": points}) == [7.0 if p is None else p for p in points]
