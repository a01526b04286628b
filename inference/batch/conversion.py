"""Columns of a file made the model's columns at once, with a mark on each cell that does not fit.

What is accepted, and the words for what is not, are those of the HTTP door (`inference.cells`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tridock.inference.data.cells import MAX_TEXT, SINGLE_MAX, column, problem, shown
from tridock.inference.data.field import Field

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask: TypeAlias = npt.NDArray[np.bool_]
    #: A column, and its cells that do not fit, if any do not.
    Found: TypeAlias = tuple[Any, Mask | None]

#: Doubles hold every integer below this one.
EXACT = 2.0**53
NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
#: How Arrow calls our types.
ARROW = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
}


@dataclass(frozen=True)
class Converted:
    """One field's column.

    Attributes
    ----------
    values : ndarray
        As the model takes them; of cells that do not fit, anything.
    wrong : ndarray of bool, or None
        Which cells do not fit; None where all do.
    cells : callable
        Gives the cell at an index as JSON would have held it.
    """

    values: Any
    wrong: Mask | None
    cells: Callable[[int], object]


def convert(field: Field, cells: pa.Array, *, text: bool) -> Converted:
    """Make a field's column of a file's.

    Parameters
    ----------
    cells : Array
        What came.
    text : bool
        Whether it is text to be read as the field's type, as in CSV; a cell may hold a word for a
        missing value then.
    """
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_null(cells.type):
        cells = cells.cast(ARROW[field.dtype])
    converted = (_TEXTS if text else _TYPED)[field.dtype](field, cells)
    if converted is not None:
        values, wrong = converted
        return Converted(values, wrong, lambda index: _cell(field, cells[index], text=text))
    return _each(field, [_cell(field, cell, text=text) for cell in cells])


def reason(field: Field, cell: object) -> str:
    """Say what is wrong with a cell that was marked, as the HTTP door says it of a request."""
    return f"field {shown(field.name)}: {problem(field, cell) or 'does not fit'}"


def of_objects(field: Field, cells: Sequence[object]) -> Converted:
    """Make a field's column of decoded JSON values."""
    converted = column(field, cells)
    if converted is not None:
        return Converted(converted, None, lambda index: cells[index])
    return _each(field, cells)


def _each(field: Field, cells: Sequence[object]) -> Converted:
    """Look at the cells one by one: some do not fit, or need more care than a cast."""
    wrong = np.array([bool(problem(field, cell)) for cell in cells], bool)
    good = [cell for cell, bad in zip(cells, wrong, strict=True) if not bad]
    converted = column(field, good) if good else np.empty(0)
    if converted is None:
        raise AssertionError(f"the cells of {field.name} fit one by one and not together")
    values = np.zeros(len(cells), converted.dtype)
    values[~wrong] = converted
    return Converted(values, wrong, lambda index: cells[index])


def _cell(field: Field, cell: pa.Scalar, *, text: bool) -> object:
    value = cell.as_py()
    if text:
        return field.parse(value)
    return None if isinstance(value, float) and value != value else value


def _text_numbers(field: Field, cells: pa.Array) -> Found | None:
    doubles = _text_doubles(field, cells)
    return None if doubles is None else _numbers(field, doubles)


def _typed_numbers(field: Field, cells: pa.Array) -> Found | None:
    doubles = _doubles(cells)
    return None if doubles is None else _numbers(field, doubles)


def _numbers(field: Field, doubles: pa.Array) -> Found:
    values = _array(doubles)
    if not doubles.null_count and field.closed is None and _is_tame(field, values):
        return (values.astype(np.float32) if field.single else values), None
    wrong = _not_finite(field, values, doubles)
    if field.closed is not None:
        wrong |= ~(np.isin(values, list(field.closed)) | _missing(doubles))
    if field.single:
        with np.errstate(invalid="ignore", over="ignore"):
            wrong |= np.abs(values) > SINGLE_MAX
            values = values.astype(np.float32)
    return values, wrong


def _is_tame(field: Field, values: Any) -> bool:
    """Tell in one pass that all numbers fit; if not, a closer look is needed.

    A sum of numbers is finite only if each of them is.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(values.sum()):
            return False
    return not field.single or max(values.max(), -values.min()) <= SINGLE_MAX


def _text_integers(field: Field, cells: pa.Array) -> Found | None:
    doubles = _text_doubles(field, cells)
    return None if doubles is None else _integers(field, doubles)


def _typed_integers(field: Field, cells: pa.Array) -> Found | None:
    if pa.types.is_integer(cells.type) and not cells.null_count and field.closed is None:
        whole = _cast(cells, pa.int64())
        return None if whole is None else (_array(whole), None)
    doubles = _doubles(cells)
    return None if doubles is None else _integers(field, doubles)


def _integers(field: Field, doubles: pa.Array) -> Found | None:
    """Convert whole doubles; large ones are looked at one by one, since doubles round them."""
    values = _array(doubles)
    finite = np.isfinite(values)
    if np.any(np.abs(values[finite]) >= EXACT):
        return None
    wrong = _not_finite(field, values, doubles) | (finite & (values != np.floor(values)))
    if field.closed is not None:
        wrong |= ~(np.isin(values, list(field.closed)) | _missing(doubles))
    if doubles.null_count and field.nullable:
        return values, wrong
    return np.where(finite, values, 0.0).astype(np.int64), wrong


def _text_booleans(field: Field, cells: pa.Array) -> Found | None:
    coded = pc.dictionary_encode(cells)
    parsed = [field.parse(text) for text in coded.dictionary.to_pylist()]
    wrong = np.array([bool(problem(field, value)) for value in parsed], bool)
    known = np.array([np.nan if value is None else value for value in parsed], object)
    codes = _array(coded.indices)
    values = known[codes]
    plain = None not in parsed or not field.nullable
    return (np.equal(values, True).astype(bool) if plain else values), wrong[codes]


def _typed_booleans(field: Field, cells: pa.Array) -> Found | None:
    if not pa.types.is_boolean(cells.type):
        return None
    missing = _missing(cells)
    if cells.null_count and field.nullable:
        values = np.array(cells.to_pylist(), object)
        values[missing] = np.nan
        return values, None
    return _array(pc.fill_null(cells, False)), missing


def _text_strings(field: Field, cells: pa.Array) -> Found | None:
    return _strings(field, _without_missing(field, cells))


def _typed_strings(field: Field, cells: pa.Array) -> Found | None:
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        return None
    return _strings(field, cells)


def _strings(field: Field, cells: pa.Array) -> Found:
    """Convert to objects: each different text becomes one, since making them is what takes time."""
    coded = pc.dictionary_encode(cells)
    known = np.append(_array(coded.dictionary).astype(object), np.nan)
    refused = [_is_refused(field, text) for text in known[:-1]] + [not field.nullable]
    codes = _array(pc.fill_null(coded.indices, len(known) - 1))
    return known[codes], np.array(refused, bool)[codes]


def _is_refused(field: Field, text: str) -> bool:
    return len(text) > MAX_TEXT or (field.closed is not None and text not in field.closed)


def _not_finite(field: Field, values: Any, doubles: pa.Array) -> Mask:
    wrong: Mask = ~np.isfinite(values)
    return wrong & ~_missing(doubles) if field.nullable else wrong


def _missing(cells: pa.Array) -> Mask:
    nulls: Mask = _array(cells.is_null())
    return nulls


def _doubles(cells: pa.Array) -> pa.Array | None:
    """Cast numbers; NaN is how frames write a missing one."""
    kind = cells.type
    if not any(is_number(kind) for is_number in NUMBERS):
        return None
    doubles = cells if kind == pa.float64() else pc.cast(cells, pa.float64(), safe=False)
    return _without_nan(doubles) if pa.types.is_floating(kind) else doubles


def _text_doubles(field: Field, cells: pa.Array) -> pa.Array | None:
    doubles = _cast(cells, pa.float64())
    if doubles is None:
        doubles = _cast(_without_missing(field, cells), pa.float64())
    return None if doubles is None else _without_nan(doubles)


def _without_nan(doubles: pa.Array) -> pa.Array:
    if not np.isnan(_array(doubles)).any():
        return doubles
    return pc.if_else(pc.is_nan(doubles), None, doubles)


def _cast(cells: pa.Array, kind: pa.DataType) -> pa.Array | None:
    try:
        return pc.cast(cells, kind)
    except pa.ArrowInvalid:
        return None


def _without_missing(field: Field, cells: pa.Array) -> pa.Array:
    if not field.missing:
        return cells
    missing = pc.is_in(cells, value_set=pa.array(sorted(field.missing)))
    return pc.if_else(missing, None, cells) if pc.any(missing).as_py() else cells


def _array(cells: pa.Array) -> Any:
    return cells.to_numpy(zero_copy_only=False)


_TEXTS = {
    "number": _text_numbers,
    "integer": _text_integers,
    "boolean": _text_booleans,
    "string": _text_strings,
}
_TYPED = {
    "number": _typed_numbers,
    "integer": _typed_integers,
    "boolean": _typed_booleans,
    "string": _typed_strings,
}
