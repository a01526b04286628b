"""Cells: a column of JSON values converted at once, and words for the one that does not fit."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tridock.inference.data.field import Field

if TYPE_CHECKING:
    import numpy.typing as npt

    Column: TypeAlias = npt.NDArray[Any]

#: Longer strings are refused before they cost memory.
MAX_TEXT = 1_000_000
#: The largest number of single precision.
SINGLE_MAX = float(np.finfo(np.float32).max)
#: Characters of a value or a list of names that a message repeats.
SHOWN_CHARACTERS = 60
SHOWN_NAMES = 20

Cells: TypeAlias = Sequence[object]


def column(field: Field, cells: Cells) -> Column | None:
    """Convert a field's cells to one typed column, with NaN for null.

    Parameters
    ----------
    field : Field
        What each cell should hold.
    cells : sequence
        What came, as JSON was decoded.

    Returns
    -------
    ndarray or None
        None if a cell does not fit; `problem` says what is wrong with it.
    """
    return _CONVERTERS[field.dtype](field, cells)


def problem(field: Field, value: object) -> str:
    """Say what is wrong with one cell, or return an empty string.

    Parameters
    ----------
    field : Field
        What the cell should hold.
    value : object
        What came, as JSON was decoded.
    """
    if value is None:
        return "" if field.nullable else "null came, and the model cannot take a missing value here"
    if type(value) not in _TYPES[field.dtype]:
        return f"expected {_WORDS[field.dtype]}, got {shown(value)}{_quoted(field, value)}"
    wrong = _text_problem(value) if isinstance(value, str) else _number_problem(field, value)
    if wrong or field.closed is None or value in field.closed:
        return wrong
    return f"unknown category {shown(value)}{_choices(field, value)}"


def _number_problem(field: Field, value: Any) -> str:
    try:
        number = float(value)
    except OverflowError:
        return "the number is too large for double precision"
    if not math.isfinite(number):
        hint = "send null for a missing value" if field.nullable else "send a finite number"
        return f"{shown(value)} is not a JSON number: {hint}"
    if field.dtype == "number" and field.single and abs(number) > SINGLE_MAX:
        return f"{shown(value)} is too large for single precision, which the model computes in"
    if field.dtype == "integer" and not number.is_integer():
        return f"expected an integer, got {shown(value)}"
    if field.dtype == "integer" and not _is_int64(value):
        return f"{shown(value)} does not fit into 64 bits"
    return ""


def _is_int64(value: Any) -> bool:
    return bool(-(2**63) <= value < 2**63)


def _text_problem(value: str) -> str:
    if len(value) > MAX_TEXT:
        return f"the text has {len(value)} characters: at most {MAX_TEXT} are read"
    return "" if _is_unicode(value) else "the text holds a lone surrogate, which is no Unicode"


def _quoted(field: Field, value: object) -> str:
    if field.dtype not in ("number", "integer") or not isinstance(value, str) or len(value) >= 40:
        return ""
    number = field.parse(value)
    if number is None:
        return ": send null for a missing value" if field.nullable else ""
    return "" if isinstance(number, str) else ": send the number without quotes"


def _choices(field: Field, value: object) -> str:
    close = difflib.get_close_matches(str(value)[:100], map(str, field.categories), n=1)
    advice = f"; did you mean {shown(close[0])}?" if close else ""
    return f": expected one of {listing(map(shown, field.categories))}{advice}"


def _numbers(field: Field, cells: Cells) -> Column | None:
    """Convert to the model's precision with NaN for null; None if a cell does not fit."""
    column = _doubles(field, cells)
    return singles(column) if field.single and column is not None else column


def _doubles(field: Field, cells: Cells) -> Column | None:
    """Convert to float64 with NaN for null; None if a cell does not fit."""
    kinds = set(map(type, cells))
    if not kinds <= {int, float, type(None)} or (type(None) in kinds and not field.nullable):
        return None
    try:
        column = np.array(cells, dtype=np.float64)
    except OverflowError:
        return None
    nulls = cells.count(None) if type(None) in kinds else 0
    if np.count_nonzero(np.isfinite(column)) + nulls != len(cells):
        return None
    return column if _are_known(field, cells) else None


def singles(numbers: Column) -> Column | None:
    """Convert to single precision; None if a number is too large for it."""
    return None if np.any(np.abs(numbers) > SINGLE_MAX) else numbers.astype(np.float32)


def _integers(field: Field, cells: Cells) -> Column | None:
    """Convert to int64, or to float64 where there are nulls; None if a cell does not fit."""
    column = _doubles(field, cells)
    if column is None or not np.all((column == np.floor(column)) | np.isnan(column)):
        return None
    if np.isnan(column).any():
        # By the cells: in double precision 2**63 - 1 is 2**63.
        return column if all(cell is None or _is_int64(cell) for cell in cells) else None
    whole = [int(cell) for cell in cells]  # type: ignore[call-overload]
    try:
        return np.array(whole, dtype=np.int64)
    except OverflowError:
        return None


def _booleans(field: Field, cells: Cells) -> Column | None:
    """Convert to bool, or to objects with NaN where there are nulls."""
    kinds = set(map(type, cells))
    if kinds <= {bool}:
        return np.array(cells, dtype=bool)
    return _objects(cells) if field.nullable and kinds <= {bool, type(None)} else None


def _strings(field: Field, cells: Cells) -> Column | None:
    """Convert to objects: strings, and NaN for null; None if a cell does not fit."""
    kinds = set(map(type, cells))
    if not kinds <= {str, type(None)} or (type(None) in kinds and not field.nullable):
        return None
    if field.closed is not None:  # What is known has no problem.
        return _objects(cells) if _are_known(field, cells) else None
    if any(isinstance(cell, str) and _text_problem(cell) for cell in cells):
        return None
    return _objects(cells)


def _are_known(field: Field, cells: Cells) -> bool:
    return field.closed is None or set(cells) - {None} <= field.closed


def _objects(cells: Cells) -> Column:
    column = np.empty(len(cells), dtype=object)
    column[:] = [np.nan if cell is None else cell for cell in cells]
    return column


_CONVERTERS = {
    "number": _numbers,
    "integer": _integers,
    "boolean": _booleans,
    "string": _strings,
}
_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "string": (str,),
}
_WORDS = {
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "string": "a string",
}


def finite(number: float) -> float | None:
    """Return a number as JSON holds it: None for NaN and the infinities."""
    return number if math.isfinite(number) else None


def nullable(array: Column) -> list[Any]:
    """Return an array as nested lists with None for NaN, the missing value of formats of bytes."""
    if array.dtype.kind == "f" and (missing := np.isnan(array)).any():
        array = array.astype(object)
        array[missing] = None
    return list(array.tolist())


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(value: object) -> str:
    """Show a value briefly, in ASCII, as JSON writes it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        value = value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + "..."
        return json.dumps(value)
    if isinstance(value, int) and abs(value) > 10**SHOWN_CHARACTERS:
        return "a huge integer"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return type(value).__name__


def listing(names: Iterable[str]) -> str:
    """Join names with commas, and say how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - SHOWN_NAMES} more" if len(listed) > SHOWN_NAMES else ""
    return ", ".join(listed[:SHOWN_NAMES]) + more
