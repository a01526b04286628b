"""Rows with their predictions written down: CSV, JSON Lines, or a Parquet file of one chunk."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from tridock.inference.batch import footer, texts
from tridock.inference.batch.files import Format
from tridock.inference.batch.plan import Plan
from tridock.inference.codec.jsontext import dumps

if TYPE_CHECKING:
    from tridock.inference.batch.outcome import Outcome
    from tridock.inference.batch.texts import Piece

    Written = tuple[Any, bytes]


#: zlib's own default.
GZIP_LEVEL = 6


def write(plan: Plan, carried: pa.RecordBatch, outcome: Outcome) -> Written:
    """Return the bytes of some rows, and what a Parquet file's footer says of them."""
    return _WRITERS[plan.writes](plan, carried, outcome)


def packed(plan: Plan, body: Any) -> Any:
    """Compress bytes on their own, if the output is: gzip files one after the other are one."""
    return gzip.compress(body, GZIP_LEVEL, mtime=0) if plan.output.gzipped else body


def head(plan: Plan) -> bytes:
    """Return what stands before the first row."""
    if plan.writes is Format.CSV:
        return texts.csv_header((*plan.carried, *plan.added))
    return footer.MAGIC if plan.writes is Format.PARQUET else b""


def _csv(plan: Plan, carried: pa.RecordBatch, outcome: Outcome) -> Written:
    columns = [*_columns(plan, carried), *outcome.columns()]
    pieces: list[Piece] = []
    for column in columns:
        pieces += [texts.csv_cells(column), ","]
    return texts.lines([*pieces[:-1], "\n"]), b""


def _lines(plan: Plan, carried: pa.RecordBatch, outcome: Outcome) -> Written:
    pieces: list[Piece] = []
    if plan.whole:
        pieces.append(carried.column(0))
    else:
        pieces.append("{")
        for name, column in zip(plan.carried, _columns(plan, carried), strict=True):
            pieces += [f"{dumps(name).decode()}:", texts.json_values(column), ","]
    pieces += ['"prediction":', *_list([[texts.json_values(each)] for each in outcome.labels])]
    if outcome.shares:
        pieces += [',"probabilities":', *_list(list(map(_object, outcome.shares)))]
    return texts.lines([*pieces, "}\n"]), b""


def _list(items: list[list[Piece]]) -> Iterator[Piece]:
    """Write one item as it is, and several as a list."""
    if len(items) == 1:
        yield from items[0]
        return
    for index, item in enumerate(items):
        yield "," if index else "["
        yield from item
    yield "]"


def _object(shares: Any) -> list[Piece]:
    pieces: list[Piece] = []
    for name, cells in shares:
        pieces += [f"{',' if pieces else '{'}{dumps(name).decode()}:", texts.json_values(cells)]
    return [*pieces, "}"]


def _parquet(plan: Plan, carried: pa.RecordBatch, outcome: Outcome) -> Written:
    names = [*plan.carried, *plan.added]
    table = pa.Table.from_arrays([*_columns(plan, carried), *outcome.columns()], names=names)
    sink = pa.BufferOutputStream()
    # A dictionary of numbers that all differ costs several times as much as writing them.
    repeated = [each.name for each in table.schema if not pa.types.is_primitive(each.type)]
    size = max(1, len(table))
    parquet.write_table(table, sink, size, use_dictionary=repeated, compression="snappy")
    taken = footer.apart(memoryview(sink.getvalue()))
    return taken.body, taken.footer


def _columns(plan: Plan, carried: pa.RecordBatch) -> list[pa.Array]:
    return list(carried.columns) if plan.carried else []


_WRITERS: dict[Format, Callable[[Plan, pa.RecordBatch, Outcome], Written]] = {
    Format.CSV: _csv,
    Format.LINES: _lines,
    Format.PARQUET: _parquet,
}
