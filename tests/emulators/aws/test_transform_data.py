"""Splitting, batching, joining and assembling, as pure functions."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.emulators.aws.transform.jsonpath import Path
from tridock.emulators.aws.transform.transform_data import (
    CSV,
    JSON_LINES,
    DataError,
    Processing,
    assemble,
    batches,
    records,
    results,
)

lines = st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")))


def _processing(
    media_type: str, *, take: str = "$", keep: str = "$", join: bool = True
) -> Processing:
    return Processing(Path.parse(take), Path.parse(keep), join, media_type, media_type)


def test_csv_is_joined_by_appending_columns() -> None:
    processing = _processing(CSV, take="$[1:]", keep="$[0,-1]")
    record = b'"a, b",5.1,3.5'
    assert processing.before(record) == b"5.1,3.5"
    assert processing.after(record, b"setosa") == b'"a, b",setosa'


def test_a_json_object_gets_its_result_as_a_member() -> None:
    processing = _processing(JSON_LINES, take="$.features", keep="$['id','SageMakerOutput']")
    record = b'{"id": "7", "features": [5.1, 3.5]}'
    assert json.loads(processing.before(record)) == [5.1, 3.5]
    kept = json.loads(processing.after(record, b'{"prediction": "setosa"}'))
    assert kept == {"id": "7", "SageMakerOutput": {"prediction": "setosa"}}


def test_other_json_becomes_an_object_of_input_and_output() -> None:
    kept = json.loads(_processing(JSON_LINES).after(b"[1, 2]", b'"a"'))
    assert kept == {"SageMakerInput": [1, 2], "SageMakerOutput": "a"}


def test_without_a_join_the_filter_is_taken_of_the_result_alone() -> None:
    processing = _processing(JSON_LINES, keep="$.prediction", join=False)
    assert processing.after(b"ignored", b'{"prediction": 1}') == b"1"


@pytest.mark.parametrize(
    ("record", "result", "message"),
    [(b"{", b"1", "Fail to parse"), (b'{"a": 1}', b"oops", "Fail to parse")],
)
def test_what_is_not_of_its_media_type_is_an_error(
    record: bytes, result: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        _processing(JSON_LINES).after(record, result)


def test_a_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing there"):
        _processing(CSV, keep="$[9]").after(b"1,2", b"3")


def test_as_many_results_as_records_are_needed() -> None:
    with pytest.raises(DataError, match="mismatched line count"):
        results(b"a\nb\n", 3, by_line=True)


@given(lines)
def test_lines_put_together_again_are_the_object(parts: list[bytes]) -> None:
    data = assemble(parts, by_line=True)
    assert records(data, by_line=True) == parts
    assert records(data, by_line=False) == [data]


@given(lines, st.integers(20, 60))
def test_batches_keep_order_and_limit_and_are_as_full_as_can_be(
    parts: list[bytes], limit: int
) -> None:
    grouped = list(batches(parts, limit=limit, several=True))
    assert [line for batch in grouped for line in batch] == parts
    sizes = [len(b"\n".join(batch)) for batch in grouped]
    assert all(size <= limit for size in sizes)
    for size, following in zip(sizes, grouped[1:], strict=False):
        assert size + 1 + len(following[0]) > limit


@given(lines)
def test_single_record_requests_have_one_record(parts: list[bytes]) -> None:
    assert list(batches(parts, limit=0, several=False)) == [[part] for part in parts]


def test_a_record_above_the_limit_is_an_error() -> None:
    with pytest.raises(DataError, match="MaxPayloadInMB"):
        list(batches([b"x" * 11], limit=10, several=True))
