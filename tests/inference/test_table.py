"""Tables of checked rows: joined and cut again, each request keeps its own rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.inference.data.field import Container, Field
from tridock.inference.data.signature import Signature
from tridock.inference.data.table import Columns, Table, joined, kind, part, rows
from tridock.inference.model.model import Answers

FIELDS = (Field("a", "number", nullable=True), Field("b", "integer", nullable=True))
CONTAINERS: tuple[Container, ...] = ("array", "dataframe")
CELLS = st.integers(-(2**53), 2**53)


def listed(table: Table) -> list[object]:
    if isinstance(table, Columns):
        return [list(row) for row in zip(*(each.tolist() for each in table.arrays), strict=True)]
    return table.tolist() if isinstance(table, np.ndarray) else list(table)


@pytest.mark.parametrize("container", CONTAINERS)
@given(requests=st.lists(st.lists(st.tuples(CELLS, CELLS), min_size=1), min_size=1, max_size=5))
def test_joined_requests_are_cut_into_what_they_were(
    container: Container, requests: list[list[tuple[int, int]]]
) -> None:
    signature = Signature(FIELDS, container)
    tables = [signature.rows([list(row) for row in request]) for request in requests]
    table, start = joined(tables), 0
    assert rows(table) == sum(map(len, requests))
    for one in tables:
        stop = start + rows(one)
        assert listed(part(table, start, stop)) == listed(one)
        start = stop


def test_texts_are_joined_in_order() -> None:
    assert joined([["a"], ["b", "c"]]) == ["a", "b", "c"]
    assert part(["a", "b", "c"], 1, 3) == ["b", "c"]
    assert rows(["a", "b"]) == 2


def test_tables_that_would_change_each_other_are_not_joined() -> None:
    signature = Signature(FIELDS, "dataframe")
    whole, missing = signature.rows([[1.5, 2**53 + 1]]), signature.rows([[1.5, None]])
    assert kind(whole) != kind(missing)
    with pytest.raises(ValueError, match="predict them apart"):
        joined([whole, missing])


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
