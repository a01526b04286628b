"""Columns written as text: whole columns are joined to lines at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from tridock.inference.codec.jsontext import dumps

if TYPE_CHECKING:
    Piece: TypeAlias = pa.Array | str

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
