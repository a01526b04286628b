"""Rows with their predictions written down: CSV, JSON Lines, or a Parquet file of one chunk."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from tridock.inference.batch import footer
from tridock.inference.batch.files import Format
from tridock.inference.batch.plan import Plan
from tridock.inference.codec.body import dumps

if TYPE_CHECKING:
    from tridock.inference.batch.outcome import Outcome

    pass
    Written = tuple[Any, bytes]
    Piece: TypeAlias = pa.Array | str

#: zlib's own default.
GZIP_LEVEL = 6


def write(plan: Plan, carried: pa.RecordBatch, outcome: Outcome) -> Written:
    """Return the bytes of some rows, and what a Parquet file's footer says of them."""
    return _WRITERS[plan.writes](plan, carried, outcome)


def packed(plan: Plan, body: Any) -> Any:
    """Compress bytes on their own, if the output is: gzip files one after the other are one."""
    return gzip.compress(body, GZIP_LEVEL, mtime=0) if plan.output.gzipped else body


def head(plan: Plan) -> bytes:
    """Return the bytes before the first row."""
    if plan.writes is Format.CSV:
        return csv_header((*plan.carried, *plan.added))
    return footer.MAGIC if plan.writes is Format.PARQUET else b""


def _csv(plan: Plan, carried: pa.RecordBatch, outcome: Outcome) -> Written:
    columns = [*_columns(plan, carried), *outcome.columns()]
    pieces: list[Piece] = []
    for column in columns:
        pieces += [csv_cells(column), ","]
    return lines([*pieces[:-1], "\n"]), b""


def _lines(plan: Plan, carried: pa.RecordBatch, outcome: Outcome) -> Written:
    pieces: list[Piece] = []
    if plan.whole:
        pieces.append(carried.column(0))
    else:
        pieces.append("{")
        for name, column in zip(plan.carried, _columns(plan, carried), strict=True):
            pieces += [f"{dumps(name).decode()}:", json_values(column), ","]
    pieces += ['"prediction":', *_list([[json_values(label)] for label in outcome.labels])]
    if outcome.shares:
        pieces += [',"probabilities":', *_list(list(map(_object, outcome.shares)))]
    return lines([*pieces, "}\n"]), b""


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
        pieces += [f"{',' if pieces else '{'}{dumps(name).decode()}:", json_values(cells)]
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


# Columns written as text: whole columns are joined to lines at once.

#: A cell that RFC 4180 («2. Definition of the CSV Format») wants between quotes.
NEEDS_QUOTES = '[",\r\n]'
#: Characters that RFC 8259 («7. Strings») wants escaped.
NEEDS_ESCAPE = r'["\\\x00-\x1f]'


def lines(pieces: Iterable[Piece]) -> memoryview:
    """Join columns and constant texts, row by row, to the bytes of all rows."""
    data = _joined(*pieces).buffers()[2]
    return memoryview(data) if data is not None else memoryview(b"")


def csv_cells(cells: pa.Array) -> pa.Array:
    """Write a column as CSV cells: an empty one for null, quotes only where they are needed."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return pc.take(csv_cells(cells.dictionary), cells.indices).fill_null("")
    if _is_plain(kind):
        return _finite(cells).cast(pa.large_string()).fill_null("")
    return _quoted(_text(cells)).fill_null("")


def json_values(cells: pa.Array) -> pa.Array:
    """Write a column as JSON values; NaN and the infinities are null."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return pc.take(json_values(cells.dictionary), cells.indices).fill_null("null")
    if _is_plain(kind):
        return _finite(cells).cast(pa.large_string()).fill_null("null")
    if pa.types.is_nested(kind):
        return pa.array(map(_dumped, cells.to_pylist()), pa.large_string())
    escaped = _escaped(_text(cells))
    return _joined('"', escaped, '"').fill_null("null")


def csv_header(names: Iterable[str]) -> bytes:
    """Write the line that names the columns."""
    cells = csv_cells(pa.array(list(names), pa.string())).to_pylist()
    return ",".join(cells).encode() + b"\n"


def _is_plain(kind: pa.DataType) -> bool:
    """Tell whether a type's values are written without quotes, in CSV and in JSON."""
    return any(test(kind) for test in (pa.types.is_integer, pa.types.is_floating, _is_truth))


def _is_truth(kind: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(kind))


def _finite(cells: pa.Array) -> pa.Array:
    if not pa.types.is_floating(cells.type):
        return cells
    finite = pc.is_finite(cells)
    return cells if pc.all(finite).as_py() is not False else pc.if_else(finite, cells, None)


def _text(cells: pa.Array) -> pa.Array:
    kind = cells.type
    if pa.types.is_nested(kind):
        return pa.array(map(_dumped, cells.to_pylist()), pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _hex(cells)
    return cells.cast(pa.large_string())


def _hex(cells: pa.Array) -> pa.Array:
    texts = [None if cell is None else cell.hex() for cell in cells.to_pylist()]
    return pa.array(texts, pa.large_string())


def _quoted(texts: pa.Array) -> pa.Array:
    needed = pc.match_substring_regex(texts, NEEDS_QUOTES)
    if not pc.any(needed).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(needed, _joined('"', doubled, '"'), texts)


def _escaped(texts: pa.Array) -> pa.Array:
    needed = pc.match_substring_regex(texts, NEEDS_ESCAPE)
    if not pc.any(needed).as_py():
        return texts
    chosen = texts.filter(needed).to_pylist()
    written = pa.array([dumps(text).decode()[1:-1] for text in chosen], pa.large_string())
    return pc.replace_with_mask(texts, pc.fill_null(needed, False), written)


def _dumped(value: Any) -> str | None:
    return None if value is None else dumps(value).decode()


def _joined(*pieces: Piece) -> pa.Array:
    """Join columns and constant texts, row by row; null where one of them is."""
    return pc.binary_join_element_wise(*map(_large, pieces), _large(""))


def _large(piece: Piece) -> Any:
    if isinstance(piece, str):
        return pa.scalar(piece, pa.large_string())
    return piece if pa.types.is_large_string(piece.type) else piece.cast(pa.large_string())
