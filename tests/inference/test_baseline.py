"""The baseline: statistics that add up, fit into JSON and come back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.inference.bundle.baseline import (
    BINS,
    MAX_COUNTED,
    QUANTILES,
    Baseline,
    Categorical,
    Numeric,
    Text,
    categorical,
    numeric,
    of_field,
)
from tridock.inference.data.field import Field

VALUES = st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=60)


def test_numbers_are_described() -> None:
    found = numeric([*range(101), None])
    assert (found.count, found.missing, found.minimum, found.maximum) == (101, 1, 0, 100)
    assert [found.mean, found.std] == pytest.approx([50, np.std(range(101))])
    assert found.quantiles == pytest.approx(tuple(range(0, 101, 5)))
    assert len(found.quantiles) == QUANTILES
    assert len(found.counts) == BINS == len(found.edges) - 1


@given(VALUES)
def test_any_numbers_add_up_and_survive_json(values: list[float | None]) -> None:
    found = numeric(values)
    assert found.count + found.missing == len(values)
    if found.counts:
        assert sum(found.counts) == found.count
        assert list(found.edges) == sorted(found.edges)
        assert list(found.quantiles) == sorted(found.quantiles)
    assert again(Baseline({"x": found})) == Baseline({"x": found})


@given(st.lists(st.none() | st.text(max_size=2) | st.booleans() | st.integers(0, 200)))
def test_any_values_are_counted_once_each(values: list[str | int | None]) -> None:
    found = categorical(values)
    assert found.count + found.missing == len(values)
    assert sum(found.counts.values()) + found.other == found.count
    assert again(Baseline({"x": found})) == Baseline({"x": found})


def test_rare_categories_are_counted_together() -> None:
    found = categorical([*map(str, range(200)), "7", None])
    assert len(found.counts) == MAX_COUNTED
    assert found.counts["7"] == 2
    assert (found.other, found.missing) == (100, 1)


def test_constant_and_extreme_numbers_are_described_as_far_as_they_go() -> None:
    assert numeric([3.0, 3.0]).std == 0
    wide = numeric([-1.7e308, 1.7e308])
    assert (wide.quantiles, wide.counts, wide.std) == ((), (), None)
    tight = numeric([1.0, np.nextafter(1.0, 2)])
    assert sum(tight.counts) == 2


@pytest.mark.parametrize(
    ("field", "cells", "kind"),
    [
        (Field("x", "number"), [1.0, None], Numeric),
        (Field("x", "integer"), [1, 2], Numeric),
        (Field("x", "integer", categories=(1, 2)), [1, 2], Categorical),
        (Field("x", "boolean"), [True, None], Categorical),
        (Field("x", "string", categories=("a",)), ["a"], Categorical),
        (Field("x", "string"), ["some text", None], Text),
    ],
)
def test_a_field_has_the_statistics_that_suit_it(
    field: Field, cells: list[str | float | None], kind: type
) -> None:
    assert type(of_field(field, cells)) is kind


def test_a_whole_baseline_survives_json() -> None:
    text = Text(numeric([3, 5]))
    baseline = Baseline({"a": numeric([1.0]), "t": text}, (categorical(["x"]),), numeric([0.9]))
    assert again(baseline) == baseline
    assert again(Baseline()) == Baseline()


def again(baseline: Baseline) -> Baseline:
    return Baseline.from_record(json.loads(json.dumps(baseline.record(), allow_nan=False)))
