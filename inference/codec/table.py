"""Rows as lines: CSV and JSON Lines, in and out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

import orjson

from tridock.inference.codec.body import dumps
from tridock.inference.codec.header import Positions, positions
from tridock.inference.data.field import Field
from tridock.inference.data.signature import Signature
from tridock.inference.errors import InvalidInputError

#: csv refuses longer cells; a whole body may be one. The body's own limit is the bound.
CELL_CHARACTERS = 1 << 31 - 1


def read_csv(text: str, signature: Signature, *, header: str = "") -> list[Any]:
    """Read CSV rows (RFC 4180), each cell as its field's type, a missing value as null.

    Parameters
    ----------
    text : str
        Lines that end with LF or CRLF; empty lines are left out.
    signature : Signature
        Names and types of the columns.
    header : str
        ``"present"`` or ``"absent"`` (the content type's parameter of RFC 4180); if empty, the
        first line is a header where it names all fields, in any order and among other
        columns, or some of them and is no row of the model's.

    Raises
    ------
    InvalidInputError
        If it is not CSV, or a header does not fit; wrong widths and values are left to the row
        check.
    """
    lines = _lines(text)
    if not lines:
        raise InvalidInputError("the body is empty: send a line for each row")
    order = _order(lines[0], signature, header)
    if order is not None:
        width = len(lines[0])
        lines = [_reordered(index, row, order, width) for index, row in enumerate(lines[1:])]
    parsers = [field.parse for field in signature.fields]
    if any(len(cells) != len(parsers) for cells in lines):
        return lines
    return [[parse(cell) for parse, cell in zip(parsers, row, strict=True)] for row in lines]


def write_csv(predictions: Iterable[Any], *, header: bool = False) -> bytes:
    """Write a line for each prediction; with probabilities, a column for each class follows."""
    rows = [_flat(prediction) for prediction in predictions]
    names = _names(rows[0]) if rows and header else []
    lines: list[list[object]] = [[_cell(cell) for _, cell in row] for row in rows]
    head: list[list[object]] = [[*names]] if names else []
    return "".join(map(_csv_line, head + lines)).encode()


def read_lines(text: str) -> list[Any]:
    """Read JSON Lines: a row on each line, empty lines left out.

    Raises
    ------
    InvalidInputError
        If a line is not JSON; the message counts lines from 1.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            rows.append(_json_line(number, line))
    if not rows:
        raise InvalidInputError("the body is empty: send a row on each line")
    return rows


def write_lines(predictions: Iterable[Any]) -> bytes:
    """Write each prediction as an object on a line of its own."""
    records = (
        prediction if _is_record(prediction) else {"prediction": prediction}
        for prediction in predictions
    )
    return b"".join(dumps(record) + b"\n" for record in records)


def _lines(text: str) -> list[list[str]]:
    csv.field_size_limit(CELL_CHARACTERS)
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise InvalidInputError(f"the body is not CSV: {error}") from error


def _order(first: list[str], signature: Signature, header: str) -> list[int] | None:
    """Return the column of each field, or None if the first line is a row."""
    if header == "absent":
        return None
    columns = positions(first, signature.names)
    if header != "present" and not _is_header(first, columns, signature):
        return None
    if columns.repeated:
        raise InvalidInputError(
            f"the header names {_shown(columns.repeated)} more than once: it has {_shown(first)}"
        )
    if columns.missing and columns.places:
        raise InvalidInputError(
            f"the header lacks {_shown(columns.missing)}: it has {_shown(first)}"
        )
    if columns.missing:
        raise InvalidInputError(
            f"the header names {_shown(first)}: expected {_shown(signature.names)}"
        )
    return [columns.places[name] for name in signature.names]


def _is_header(first: list[str], columns: Positions, signature: Signature) -> bool:
    """Tell a header from a row of the same words."""
    names = signature.names
    if not columns.places:
        return False
    if {cell.strip() for cell in first} == set(names):
        return True
    return (columns.is_complete and len(names) > 1) or not _is_row(first, signature)


def _is_row(cells: list[str], signature: Signature) -> bool:
    if len(cells) != len(signature.fields):
        return False
    return all(_fits(field, cell) for field, cell in zip(signature.fields, cells, strict=True))


def _fits(field: Field, cell: str) -> bool:
    value = field.parse(cell)
    known = field.closed is None or value in field.closed
    return known if isinstance(value, str) and field.dtype == "string" else type(value) is not str


def _reordered(index: int, cells: list[str], order: list[int], width: int) -> list[str]:
    if len(cells) != width:
        raise InvalidInputError(
            f"row {index}: expected {width} values as the header has names, got {len(cells)}"
        )
    return [cells[position] for position in order]


def _shown(names: Iterable[str]) -> str:
    text = ", ".join(json.dumps(name[:60]) for name in names)
    return text if len(text) <= 300 else text[:300] + "..."


def _json_line(number: int, line: str) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f"line {number} is not JSON: {error}") from error


def _is_record(prediction: object) -> bool:
    return isinstance(prediction, dict) and prediction.keys() == {"prediction", "probabilities"}


def _flat(prediction: Any) -> list[tuple[str, Any]]:
    if not _is_record(prediction):
        outputs = prediction if isinstance(prediction, list) else [prediction]
        return [("prediction", output) for output in outputs]
    shares = prediction["probabilities"]
    outputs = shares if isinstance(shares, list) else [shares]
    return _flat(prediction["prediction"]) + [pair for each in outputs for pair in each.items()]


def _names(row: list[tuple[str, Any]]) -> list[str]:
    return [name for name, _ in row]


def _csv_line(cells: Iterable[object]) -> str:
    """Write one line. csv quotes what its line end holds, so that is CRLF, and LF is sent."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or value != value:  # NaN is the one value that differs from itself
        return ""
    return dumps(value).decode() if isinstance(value, list | dict) else value
