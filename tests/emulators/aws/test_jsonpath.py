"""JSONPath, with the examples of the developer guide."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.emulators.aws.transform.jsonpath import Path, PathError

RECORD = {"id": 7, "features": [1, 2, 3, 4, 5, 6], "field1": {"child1": "a", "child2": "b"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$", RECORD),
        ("$.id", 7),
        ("$.features", [1, 2, 3, 4, 5, 6]),
        ("$['id','features']", {"id": 7, "features": [1, 2, 3, 4, 5, 6]}),
        ("$.field1.['child1','child2']", {"child1": "a", "child2": "b"}),
        ("$.field1.*", ["a", "b"]),
        ("$.features[1]", 2),
        ("$.features[-1]", 6),
        ("$.features[1,3,5]", [2, 4, 6]),
        ("$.features[2:5]", [3, 4, 5]),
        ("$.features[:5]", [1, 2, 3, 4, 5]),
        ("$.features[2:]", [3, 4, 5, 6]),
        ("$.features[0:-1]", [1, 2, 3, 4, 5]),
        ("$.features[0,4:]", [1, 5, 6]),
        ("$.features[*]", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_path_selects_what_the_guide_says(text: str, expected: Any) -> None:
    assert Path.parse(text).select(RECORD) == expected


@pytest.mark.parametrize(
    "text", ["", "id", "$.", "$..id", "$[?(@.a)]", "$['a'", "$[1:2:3]", "$.a b"]
)
def test_any_other_operator_is_refused(text: str) -> None:
    with pytest.raises(PathError, match="not supported"):
        Path.parse(text)


@pytest.mark.parametrize("text", ["$.none", "$[0]", "$.id.x", "$.features[6]", "$['id','x']"])
def test_a_record_without_it_is_an_error(text: str) -> None:
    with pytest.raises(PathError, match="nothing there"):
        Path.parse(text).select(RECORD)


@given(st.lists(st.integers()), st.integers(-9, 9), st.integers(-9, 9))
def test_a_slice_is_that_of_the_list(row: list[int], start: int, end: int) -> None:
    assert Path.parse(f"$[{start}:{end}]").select(row) == row[start:end]


@given(st.text(max_size=20))
def test_any_text_is_a_path_or_an_error(text: str) -> None:
    try:
        Path.parse("$" + text)
    except PathError:
        assert text
