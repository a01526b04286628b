"""Columns of files: what is accepted of them is what the HTTP door accepts, cell by cell."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tridock.inference.batch import conversion, footer
from tridock.inference.batch import writing as texts
from tridock.inference.batch.chunk import Position
from tridock.inference.batch.files import File
from tridock.inference.batch.records import Records
from tridock.inference.data.cells import column, problem
from tridock.inference.data.field import Dtype, Field

CLOSED: dict[Dtype, tuple[Any, ...]] = {
    "string": ("a", "b"),
    "number": (1.0, 2.5),
    "integer": (1, 2),
}


def fields(dtype: Dtype) -> st.SearchStrategy[Field]:
    """Every kind of field of one type."""
    categories = st.just(CLOSED.get(dtype, ()))
    flags = {"nullable": st.booleans(), "open": st.booleans(), "single": st.booleans()}
    return st.builds(Field, st.just("x"), st.just(dtype), categories=categories, **flags)


TEXTS = st.one_of(
    st.sampled_from(["", "1", "1.0", " 2.5", "1e3", "x", "nan", "inf", "-inf", "1_0", "0x10", "a"]),
    st.sampled_from(["true", "FALSE ", "0", "9007199254740993", "1e39", "1e400", "b", "٣", "+1"]),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=3),
)
CELLS: dict[Dtype, st.SearchStrategy[Any]] = {
    "number": st.none() | st.floats() | st.sampled_from([1.0, 2.5]),
    "integer": st.none() | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([1, 2]),
    "boolean": st.none() | st.booleans(),
    "string": st.none() | st.text(max_size=3) | st.sampled_from(["a", "b"]),
}


def _is_as_over_http(field: Field, cells: list[Any], found: conversion.Converted) -> None:
    wrong = [bool(problem(field, cell)) for cell in cells]
    marked = np.zeros(len(cells), bool) if found.wrong is None else found.wrong
    assert marked.tolist() == wrong
    good = [cell for cell, bad in zip(cells, wrong, strict=True) if not bad]
    if good:
        wanted = column(field, good)
        assert wanted is not None
        values = found.values[~marked]
        assert np.array_equal(_plain(values), _plain(wanted))
        if not any(wrong):
            assert values.dtype == wanted.dtype
    for index, bad in enumerate(wrong):
        if bad:
            assert problem(field, cells[index]) in conversion.reason(field, found.cells(index))


def _plain(values: Any) -> Any:
    """Objects that compare: NaN is not equal to itself."""
    cells = [None if cell != cell else cell for cell in values.tolist()]
    return np.array([*cells, None], object)


@pytest.mark.parametrize("dtype", ["number", "integer", "boolean", "string"])
@settings(deadline=None)
@given(data=st.data())
def test_cells_of_text_are_read_as_over_http(dtype: Dtype, data: st.DataObject) -> None:
    field = data.draw(fields(dtype))
    came = data.draw(st.lists(TEXTS, min_size=1, max_size=4))
    found = conversion.convert(field, pa.array(came, pa.string()), text=True)
    _is_as_over_http(field, [field.parse(text) for text in came], found)


@pytest.mark.parametrize("dtype", ["number", "integer", "boolean", "string"])
@settings(deadline=None)
@given(data=st.data())
def test_typed_cells_are_taken_as_over_http(dtype: Dtype, data: st.DataObject) -> None:
    came = data.draw(st.sampled_from([dtype, *CELLS]))
    field = data.draw(fields(dtype))
    cells = data.draw(st.lists(CELLS[came], min_size=1, max_size=4))
    array = pa.array(cells, conversion.ARROW[came])
    found = conversion.convert(field, array, text=False)
    # NaN is how frames write a missing value into a file.
    _is_as_over_http(field, [None if cell != cell else cell for cell in cells], found)


@pytest.mark.parametrize("cell", [2**63 - 1, 2**63 - 512, -(2**63), 2**53 + 1])
def test_the_largest_integers_fit_beside_a_missing_one(cell: int) -> None:
    field = Field("x", "integer", nullable=True)
    assert problem(field, cell) == ""
    cells = column(field, [None, cell])
    assert cells is not None
    assert np.isnan(cells[0])
    assert cells[1] == float(cell)
    _is_as_over_http(field, [None, cell], conversion.of_objects(field, [None, cell]))
    assert column(field, [None, 2**63]) is None


@settings(deadline=None)
@given(st.lists(st.none() | st.text(), min_size=1), st.lists(st.none() | st.floats(), min_size=1))
def test_what_is_written_reads_back(words: list[str | None], numbers: list[float | None]) -> None:
    rows = min(len(words), len(numbers))
    text, number = pa.array(words[:rows], pa.string()), pa.array(numbers[:rows], pa.float64())
    written = texts.lines([texts.csv_cells(text), ",", texts.csv_cells(number), "\n"])
    lines = list(csv.reader(io.StringIO(bytes(written).decode(), newline="")))
    finite = [None if cell is None or not np.isfinite(cell) else cell for cell in numbers[:rows]]
    assert [cells[0] for cells in lines] == [word or "" for word in words[:rows]]
    assert [float(cells[1]) if cells[1] else None for cells in lines] == finite
    pieces = ["[", texts.json_values(text), ",", texts.json_values(number), "]\n"]
    values = [json.loads(line) for line in bytes(texts.lines(pieces)).splitlines()]
    assert values == [list(pair) for pair in zip(words[:rows], finite, strict=True)]


@settings(deadline=None)
@given(st.lists(st.lists(st.none() | st.text(max_size=2), max_size=20), min_size=1, max_size=4))
def test_parquet_files_joined_by_their_bytes_hold_all_rows(parts: list[list[str | None]]) -> None:
    tables = [
        pa.table(
            {"x": pa.array(cells, pa.string()), "n": [cells] * len(cells)},
            schema=pa.schema({"x": pa.string(), "n": pa.list_(pa.string())}),
        )
        for cells in parts
    ]
    taken = [footer.apart(memoryview(_file(table))) for table in tables]
    notes = b"".join(footer.noted(len(part.body), part.footer) for part in taken)
    bodies = b"".join(bytes(part.body) for part in taken)
    whole = footer.MAGIC + bodies + footer.joined(footer.parts(notes))
    assert parquet.read_table(io.BytesIO(whole)).equals(pa.concat_tables(tables))


def _file(table: pa.Table) -> Any:
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, row_group_size=7, write_page_index=True)
    return sink.getvalue()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("scratch")


ROWS = st.lists(st.lists(st.text(alphabet='ab,\n" é'), min_size=2, max_size=2), max_size=12)


@settings(deadline=None)
@given(rows=ROWS, size=st.integers(1, 5), data=st.data())
def test_chunks_of_csv_end_where_records_do(
    rows: list[list[str]], size: int, data: st.DataObject, scratch: Any
) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    path = scratch / "in.csv"
    path.write_bytes(out.getvalue().encode())
    records = Records(size, quoted=True)
    chunks = list(records.chunks(File.of(path), Position()))
    texts = [bytes(chunk.content).decode() for chunk in chunks]
    read = [list(csv.reader(io.StringIO(text, newline=""))) for text in texts]
    assert [row for part in read for row in part] == rows
    assert all(len(part) == size for part in read[:-1])
    if chunks:
        index = data.draw(st.integers(0, len(chunks) - 1))
        again = list(records.chunks(File.of(path), chunks[index].start))
        assert again == chunks[index:]
