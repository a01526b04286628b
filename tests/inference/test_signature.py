"""Rows: what is accepted becomes a table, what is not is said in few words."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.inference.data import dataframe
from tridock.inference.data.cells import MAX_TEXT, column, problem
from tridock.inference.data.field import Container, Dtype, Field
from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.errors import InvalidInputError

AGE = Field("age", "integer", minimum=18, maximum=80)
INCOME = Field("income", "number", nullable=True)
JOB = Field("job", "string", categories=("employed", "retired"), open=False)
OWNER = Field("owner", "boolean")
NOTE = Field("note", "string", nullable=True)
FRAME = Signature((AGE, INCOME, JOB, OWNER, NOTE), "dataframe")
MATRIX = Signature((Field("a", "number"), Field("b", "number")), "array")
TEXT = Signature((Field("text", "string"),), "text")
GOOD = [30, 1.5, "retired", True, "x"]


def refusal(signature: Signature, data: object) -> str:
    with pytest.raises(InvalidInputError) as refused:
        signature.rows(data)
    return str(refused.value)


def spoilt(index: int, value: object) -> list[list[object]]:
    return [GOOD, [*GOOD[:index], value, *GOOD[index + 1 :]]]


def frame(data: object) -> pd.DataFrame:
    made: pd.DataFrame = dataframe.rows(FRAME.rows(data), FRAME.fields)
    return made


def test_rows_as_lists_and_as_objects_give_the_same_frame() -> None:
    named = dict(zip(FRAME.names, GOOD, strict=True))
    shuffled = dict(reversed(named.items()))
    pd.testing.assert_frame_equal(frame([GOOD]), frame([shuffled]))
    assert list(frame([GOOD]).columns) == list(FRAME.names)


def test_columns_get_the_types_the_model_was_fitted_on() -> None:
    table = frame([GOOD, [31.0, None, "employed", False, None]])
    assert table["age"].dtype == np.int64
    assert table["income"].dtype == np.float64
    assert table["owner"].dtype == bool
    assert table["age"].tolist() == [30, 31]
    assert math.isnan(table["income"][1])
    assert math.isnan(table["note"][1])


def test_a_matrix_is_made_of_lists_objects_and_arrays() -> None:
    expected = np.array([[1.0, 2.0], [3.0, 4.0]])
    for data in (
        [[1, 2], [3.0, 4]],
        [{"b": 2, "a": 1}, {"a": 3, "b": 4}],
        expected,
        expected.astype(np.float32),
        [[np.float64(1), np.int64(2)], [3, 4]],
        pd.DataFrame({"b": [2, 4], "a": [1, 3]}),
        ((1, 2), (3, 4)),
    ):
        np.testing.assert_array_equal(MATRIX.rows(data).matrix(), expected)


def test_texts_come_bare_in_lists_or_in_objects() -> None:
    assert TEXT.rows(["a", ["b"], {"text": "c"}]).texts() == ["a", "b", "c"]


def test_one_field_takes_bare_values() -> None:
    one = Signature((Field("x", "number"),), "array")
    np.testing.assert_array_equal(one.rows([1, 2.5]).matrix(), [[1.0], [2.5]])


def test_integers_may_come_as_whole_floats_since_protobuf_has_no_other() -> None:
    assert frame([[30.0, *GOOD[1:]]])["age"].tolist() == [30]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (spoilt(0, 30.5), 'row 1, field "age": expected an integer, got 30.5'),
        (spoilt(0, 2**70), f'row 1, field "age": {2**70} does not fit into 64 bits'),
        (spoilt(0, True), 'row 1, field "age": expected an integer, got true'),
        (
            spoilt(0, "30"),
            'row 1, field "age": expected an integer, got "30": send the number without quotes',
        ),
        (
            spoilt(0, None),
            'row 1, field "age": null came, and the model cannot take a missing value here',
        ),
        (
            spoilt(1, math.nan),
            'row 1, field "income": NaN is not a JSON number: send null for a missing value',
        ),
        (
            spoilt(0, math.inf),
            'row 1, field "age": Infinity is not a JSON number: send a finite number',
        ),
        (spoilt(1, [1]), 'row 1, field "income": expected a number, got a list of 1'),
        (spoilt(1, {}), 'row 1, field "income": expected a number, got an object'),
        (
            spoilt(1, 10**400),
            'row 1, field "income": the number is too large for double precision',
        ),
        (
            spoilt(2, "retird"),
            'row 1, field "job": unknown category "retird": expected one of "employed", "retired"; '
            'did you mean "retired"?',
        ),
        (spoilt(3, 1), 'row 1, field "owner": expected true or false, got 1'),
        (spoilt(4, 1), 'row 1, field "note": expected a string, got 1'),
        (
            spoilt(4, "\ud800"),
            'row 1, field "note": the text holds a lone surrogate, which is no Unicode',
        ),
        ([GOOD, GOOD[:4]], "row 1: expected 5 values (age, income, job, owner, note), got a list"),
        ([GOOD, 7], "row 1: expected 5 values (age, income, job, owner, note), got 7"),
        ([], "no rows came: send at least one"),
        ("rows", 'expected a list of rows, got "rows"'),
        ({"age": 1}, "expected a list of rows, got an object"),
        (None, "expected a list of rows, got null"),
    ],
)
def test_a_refusal_names_row_and_field_and_what_came(data: object, message: str) -> None:
    assert refusal(FRAME, data).startswith(message)


def test_an_unknown_name_is_met_with_the_nearest_known_one() -> None:
    assert refusal(FRAME, [{"incom": 1}]) == 'row 0: unknown field "incom": did you mean "income"?'
    assert refusal(FRAME, [{"zzz": 1}]).endswith(
        'the fields are "age", "income", "job", "owner", "note"'
    )


def test_missing_names_are_listed_with_what_to_send() -> None:
    assert refusal(FRAME, [{"age": 1}]) == (
        'row 0: lacks "income", "job", "owner", "note": send null for a missing value'
    )


def test_the_first_wrong_cell_is_told_of_even_if_a_later_column_is_wrong_first() -> None:
    rows = [[1, "x"], ["y", 1]]
    assert refusal(MATRIX, rows).startswith('row 0, field "b"')


def test_messages_stay_short_whatever_comes() -> None:
    huge = "x" * 10_000_000
    many = {f"f{index}": 1 for index in range(10_000)}
    for data in (huge, [huge], [[huge] * 5], [{huge: 1}], [many], [[many] * 5], [[10**4000] * 5]):
        assert len(refusal(FRAME, data)) < 500


def test_a_text_beyond_the_limit_is_refused() -> None:
    assert "at most" in refusal(TEXT, ["x" * (MAX_TEXT + 1)])
    assert TEXT.rows(["x" * 1000]).texts() == ["x" * 1000]


def test_a_closed_number_column_refuses_other_numbers() -> None:
    rooms = Signature((Field("rooms", "number", categories=(1, 2), open=False),), "array")
    assert refusal(rooms, [[3]]).endswith("unknown category 3: expected one of 1, 2")
    np.testing.assert_array_equal(rooms.rows([[2.0]]).matrix(), [[2.0]])


def test_single_precision_is_kept_and_its_range_is_held() -> None:
    single = Signature((Field("x", "number", single=True, nullable=True),), "array")
    for rows in ([[1.5]], [[1.5], [None]]):
        assert single.rows(rows).matrix().dtype == np.float32
    assert refusal(single, [[1e39]]).endswith(
        "1e+39 is too large for single precision, which the model computes in"
    )


def test_pandas_categories_come_back_as_categories_and_unknown_ones_as_missing() -> None:
    job = Field("job", "string", categories=("a", "b"), nullable=True, categorical=True)
    columns = Signature((job,), "dataframe").rows([["b"], ["z"], [None]])
    table = dataframe.rows(columns, (job,))
    assert list(table["job"].cat.categories) == ["a", "b"]
    assert table["job"].cat.codes.tolist() == [1, -1, -1]


def test_arrays_of_mixed_columns_hold_objects_and_of_booleans_hold_booleans() -> None:
    mixed = Signature((Field("a", "string"), Field("b", "number")), "array").rows([["x", 1]])
    truth = Signature((Field("a", "boolean"),), "array").rows([[True]])
    assert mixed.matrix().tolist() == [["x", 1.0]]
    assert truth.matrix().dtype == bool


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (AGE, "30", 30),
        (AGE, "30.0", 30),
        (AGE, " 30", 30),
        (AGE, "30.5", 30.5),
        (AGE, "3_0", "3_0"),
        (AGE, "old", "old"),
        (AGE, "", None),
        (INCOME, "1e3", 1000.0),
        (INCOME, "1,5", "1,5"),
        (OWNER, "TRUE", True),
        (OWNER, "0", False),
        (OWNER, "yes", "yes"),
        (JOB, "", ""),
        (NOTE, "", None),
        (NOTE, "30", "30"),
    ],
)
def test_csv_cells_are_read_by_type_and_left_alone_where_they_cannot_be(
    field: Field, text: str, value: object
) -> None:
    parsed = field.parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@given(st.text(max_size=8), st.sampled_from([AGE, INCOME, JOB, OWNER, NOTE]))
def test_any_csv_cell_can_be_read(text: str, field: Field) -> None:
    assert field.parse(text) is None or isinstance(field.parse(text), str | float | int)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from([*FRAME.names, "zzz", "text", "a", "b"]), inner)
    ),
    max_leaves=12,
)
CELLS = st.tuples(
    st.integers(0, 99) | st.floats(),
    st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.integers(),
    st.sampled_from(["employed", "retired", "other"]),
    st.booleans(),
    st.text(max_size=4) | st.none(),
)


@given(JSON, st.sampled_from([FRAME, MATRIX, TEXT]))
def test_any_json_value_gives_rows_or_a_short_refusal(data: Any, signature: Signature) -> None:
    try:
        outcome: Any = range(signature.rows(data).count)
        expected = range(len(data), len(data) + 1)
    except InvalidInputError as refused:
        outcome, expected = str(refused), range(1, 500)
    assert len(outcome) in expected


@given(st.lists(CELLS, min_size=1, max_size=5))
def test_a_table_is_given_exactly_if_no_cell_has_a_problem(rows: list[tuple[Any, ...]]) -> None:
    fine = not any(
        problem(field, cell) for row in rows for field, cell in zip(FRAME.fields, row, strict=True)
    )
    try:
        table = frame([list(row) for row in rows])
    except InvalidInputError:
        assert not fine
    else:
        assert fine
        assert len(table) == len(rows)


FIELDS = st.builds(
    Field,
    name=st.just("f"),
    dtype=st.sampled_from(["number", "integer"]),
    nullable=st.booleans(),
    categories=st.just((1, 2.5)),
    open=st.booleans(),
    single=st.booleans(),
) | st.builds(
    Field,
    name=st.just("f"),
    dtype=st.sampled_from(["boolean", "string"]),
    nullable=st.booleans(),
    open=st.booleans(),
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


@given(FIELDS, st.lists(SCALARS, min_size=1, max_size=4))
def test_columns_and_cells_are_judged_alike(field: Field, cells: list[Any]) -> None:
    converted = column(field, tuple(cells))
    assert (converted is not None) == (not any(problem(field, cell) for cell in cells))


@given(st.lists(FIELDS, min_size=1, max_size=3), st.sampled_from(["array", "dataframe"]))
def test_a_signature_survives_json(fields: list[Field], container: Container) -> None:
    signature = Signature(tuple(fields), container)
    assert Signature.from_record(json.loads(json.dumps(signature.record()))) == signature


@pytest.mark.parametrize("dtype", ["integer", "string", "boolean"])
def test_an_output_signature_survives_json(dtype: Dtype) -> None:
    for output in (
        OutputSignature("classification", dtype, ("a", "b"), True),
        OutputSignature("classification", dtype, ((0, 1), ("x", "y")), True, (2,)),
        OutputSignature("regression", dtype),
    ):
        assert OutputSignature.from_record(json.loads(json.dumps(output.record()))) == output
