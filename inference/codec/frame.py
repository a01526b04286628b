"""Data frames as JSON, in the forms of pandas, MLflow and Azure ML, laid out as rows.

Columns that the model has no field for are left out where all its fields are there, as MLflow's
server does it («Model Signature Enforcement»); without names, columns are in the fields' order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tridock.inference.codec.header import positions
from tridock.inference.codec.jsontext import kind
from tridock.inference.data.cells import listing, shown
from tridock.inference.data.signature import Signature
from tridock.inference.errors import InvalidInputError

#: The members of pandas' «split» orientation (`DataFrame.to_json`).
SPLIT = frozenset(("columns", "index", "data"))


def listed(rows: list[Any], signature: Signature) -> list[Any]:
    """Return a list of rows, where it may be one row of plain values."""
    flat = bool(rows) and not any(isinstance(row, list | dict) for row in rows)
    return [rows] if flat and len(signature.fields) > 1 else rows


def of_split(key: str, value: object, signature: Signature) -> list[Any]:
    """Return the rows of a frame split into columns, index and data; the index is not looked at.

    Raises
    ------
    InvalidInputError
        If it is no such frame, or its columns lack a field.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("data"), list):
        raise InvalidInputError(
            f'{key!r}: expected {{"columns": [...], "data": [[...]]}}, got {kind(value)}'
        )
    if strange := sorted(value.keys() - SPLIT):
        raise InvalidInputError(f"{key!r}: unknown member {strange[0][:60]!r}: there are columns, "
                                "index and data")  # fmt: skip
    rows, columns = value["data"], value.get("columns")
    if columns is None:
        return listed(rows, signature)
    if not isinstance(columns, list) or any(type(each) not in (str, int) for each in columns):
        raise InvalidInputError(f"{key!r}: 'columns' is a list of names, got {kind(columns)}")
    return _chosen(key, columns, rows, signature)


def of_records(rows: list[Any], signature: Signature) -> list[Any]:
    """Return rows, without the members that no field is named by where every field is there."""
    names, needed = signature.names, set(signature.names)
    return [
        {name: row[name] for name in names}
        if isinstance(row, dict) and row.keys() > needed
        else row
        for row in rows
    ]


def of_columns(key: str, value: Mapping[str, Any], signature: Signature) -> list[Any]:
    """Return the rows of a frame that has a list of values under each column's name.

    Raises
    ------
    InvalidInputError
        If a field is lacking, or the columns are not lists of one length.
    """
    places = _places(key, list(value), signature)
    columns = list(value.values())
    chosen = {name: columns[place] for name, place in zip(signature.names, places, strict=True)}
    for name, column in chosen.items():
        if not isinstance(column, list):
            raise InvalidInputError(
                f"{key!r}: column {shown(name)} is a list of values, got {kind(column)}"
            )
    lengths = {len(column) for column in chosen.values()}
    if len(lengths) > 1:
        raise InvalidInputError(f"{key!r}: columns differ in length: {sorted(lengths)[:9]}")
    return [[_cell(cell) for cell in row] for row in zip(*chosen.values(), strict=True)]


def of_object(key: str, value: Mapping[str, Any], signature: Signature) -> list[Any]:
    """Return the rows of an object: a frame split, one row by names, or columns by names.

    Raises
    ------
    InvalidInputError
        If it is none of them.
    """
    if "data" in value and value.keys() <= SPLIT and "data" not in signature.names:
        return of_split(key, value, signature)
    if any(isinstance(each, list) for each in value.values()):
        return of_columns(key, value, signature)
    return of_records([dict(value)], signature)


def _chosen(
    key: str, columns: Sequence[str | int], rows: list[Any], signature: Signature
) -> list[Any]:
    """Put each row's values into the order of the fields."""
    if list(columns) == list(range(len(signature.fields))):  # a frame made of an array
        return rows
    places = _places(key, list(map(str, columns)), signature)
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            came = f"a list of {len(row)}" if isinstance(row, list) else kind(row)
            raise InvalidInputError(
                f"{key!r}: row {index}: expected a list of {len(columns)} values as there are "
                f"columns, got {came}"
            )
    return [[row[place] for place in places] for row in rows]


def _places(key: str, columns: list[str], signature: Signature) -> list[int]:
    found = positions(columns, signature.names)
    if found.is_complete:
        return [found.places[name] for name in signature.names]
    wrong, names = ("repeat", found.repeated) if found.repeated else ("lack", found.missing)
    raise InvalidInputError(
        f"{key!r}: the columns {wrong} {listing(map(shown, names))}: "
        f"they are {listing(map(shown, columns))}"
    )


def _cell(cell: Any) -> Any:
    """Return the value of a cell that is a column of one."""
    return cell[0] if isinstance(cell, list) and len(cell) == 1 else cell
