"""Tables of checked rows: joined and cut again, each request keeps its own rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.inference.data.field import Container, Field
from tridock.inference.data.signature import Signature
from tridock.inference.data.table import Table
from tridock.inference.model.model import Answers

FIELDS = (Field("a", "number", nullable=True), Field("b", "integer", nullable=True))
CONTAINERS: tuple[Container, ...] = ("array", "dataframe")
CELLS = st.integers(-(2**53), 2**53)


def listed(table: Table) -> list[object]:
    return [list(row) for row in zip(*(each.tolist() for each in table.columns()), strict=True)]


@pytest.mark.parametrize("container", CONTAINERS)
@given(requests=st.lists(st.lists(st.tuples(CELLS, CELLS), min_size=1), min_size=1, max_size=5))
def test_joined_requests_are_cut_into_what_they_were(
    container: Container, requests: list[list[tuple[int, int]]]
) -> None:
    signature = Signature(FIELDS, container)
    tables = [signature.rows([list(row) for row in request]) for request in requests]
    table, start = tables[0].followed_by(tables[1:]), 0
    assert table.count == sum(map(len, requests))
    for one in tables:
        stop = start + one.count
        assert listed(table.part(start, stop)) == listed(one)
        start = stop


def test_texts_are_joined_in_order() -> None:
    signature = Signature((Field("text", "string"),), "text")
    one, two = signature.rows(["a"]), signature.rows(["b", "c"])
    both = one.followed_by([two])
    assert both.texts() == ["a", "b", "c"]
    assert both.part(1, 3).texts() == ["b", "c"]
    assert both.count == 3


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_table_is_filled_up_with_its_first_row(container: Container) -> None:
    table = Signature(FIELDS, container).rows([[1.5, 2], [None, 3]])
    filled = table.padded(4)
    assert filled.kind == table.kind
    np.testing.assert_array_equal(filled.part(0, 2).matrix(), table.matrix())
    assert listed(filled.part(2, 4)) == [[1.5, 2], [1.5, 2]]


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_copied_row_does_not_hold_on_to_the_others(container: Container) -> None:
    table = Signature(FIELDS, container).rows([[1.5, 2], [2.5, 3]])
    row = table.copied(1)
    assert listed(row) == [[2.5, 3]]
    assert not any(np.shares_memory(a, b) for a, b in zip(row.arrays, table.arrays, strict=True))


def test_tables_that_would_change_each_other_are_not_joined() -> None:
    signature = Signature(FIELDS, "dataframe")
    whole, missing = signature.rows([[1.5, 2**53 + 1]]), signature.rows([[1.5, None]])
    assert whole.kind != missing.kind
    with pytest.raises(ValueError, match="predict them apart"):
        whole.followed_by([missing])


def test_answers_are_cut_with_their_probabilities() -> None:
    shares = np.array([[0.25, 0.75], [1.0, 0.0]])
    answers = Answers(np.array(["b", "a"], dtype=object), shares, ("a", "b"))
    assert answers.part(1, 2).values() == [
        {"prediction": "a", "probabilities": {"a": 1.0, "b": 0.0}}
    ]
    several = Answers(np.array([[1, 2]]), (shares[:1], shares[1:]), (("a", "b"), ("c", "d")))
    assert several.part(0, 1).values() == [
        {
            "prediction": [1, 2],
            "probabilities": [{"a": 0.25, "b": 0.75}, {"c": 1.0, "d": 0.0}],
        }
    ]
