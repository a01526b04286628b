"""The row check: JSON values in, the model's columns out, or words that say what is wrong."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from inference.errors import InvalidInputError
from inference.signature import Container, Field

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Table: TypeAlias = npt.NDArray[Any] | pd.DataFrame | list[str]
    Column: TypeAlias = npt.NDArray[Any]

#: More rows, or longer strings, in one request than these are refused before they cost memory.
MAX_ROWS = 1_000_000
MAX_TEXT = 1_000_000
#: So much of a value or a list of names is repeated in a message.
SHOWN_CHARACTERS = 60
SHOWN_NAMES = 20

Row: TypeAlias = Sequence[object]


@dataclass(frozen=True)
class RowCheck:
    """A signature made ready to check rows quickly.

    Columns are checked as a whole; only when one does not fit are the cells looked at one by one,
    to name the first that is wrong.

    Attributes
    ----------
    fields : tuple of Field
        What each row holds, in order.
    container : str
        What to build: ``"array"``, ``"dataframe"`` or ``"text"``.
    """

    fields: tuple[Field, ...]
    container: Container

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {field.name: index for index, field in enumerate(self.fields)}

    @cached_property
    def _is_matrix(self) -> bool:
        plain = all(field.dtype == "number" and field.closed is None for field in self.fields)
        return plain and self.container == "array"

    def table(self, data: object) -> Table:
        """Check `data` and build the table the model takes, or raise `InvalidInputError`."""
        matrix = self._matrix(data) if self._is_matrix else None
        if matrix is not None:
            return matrix
        rows = [self._row(index, row) for index, row in enumerate(_listed(data))]
        columns = self._columns(rows)
        if columns is None:
            rows = [[_native(cell) for cell in row] for row in rows]
            columns = self._columns(rows)
        if columns is None:
            raise InvalidInputError(self._explain(rows))
        return _BUILDERS[self.container](self.fields, columns)

    def _matrix(self, data: object) -> npt.NDArray[np.float64] | None:
        """Convert finite numbers of the right width in one step; None if a look is needed."""
        if isinstance(data, np.ndarray):
            fits = data.dtype.kind in "fiu" and data.shape[1:] == (len(self.fields),)
        else:
            fits = isinstance(data, list) and self._holds_numbers(data)
        if not fits or not 0 < len(data) <= MAX_ROWS:  # type: ignore[arg-type]
            return None
        try:
            matrix = np.asarray(data, dtype=np.float64)
        except OverflowError:
            return None
        return matrix if np.isfinite(matrix).all() else None

    def _holds_numbers(self, rows: list[Any]) -> bool:
        width = len(self.fields)
        if any(type(row) is not list or len(row) != width for row in rows):
            return False
        return set(map(type, chain.from_iterable(rows))) <= {int, float}

    def _row(self, index: int, row: object) -> Row:
        if isinstance(row, dict):
            return self._named(index, row)
        if not isinstance(row, list | tuple):
            if len(self.fields) > 1:
                raise InvalidInputError(f"row {index}: expected {self._form}, got {_shown(row)}")
            return (row,)
        if len(row) != len(self.fields):
            raise InvalidInputError(
                f"row {index}: expected {self._form}, got a list of {len(row)} values"
            )
        return row

    def _named(self, index: int, row: dict[Any, object]) -> Row:
        if unknown := [name for name in row if name not in self._positions]:
            raise InvalidInputError(
                f"row {index}: unknown field {_shown(unknown[0])}{self._advice(unknown[0])}"
            )
        if missing := [field for field in self.fields if field.name not in row]:
            null = ": send null for a missing value" if missing[0].nullable else ""
            names = _listing(_shown(field.name) for field in missing)
            raise InvalidInputError(f"row {index}: lacks {names}{null}")
        return [row[field.name] for field in self.fields]

    def _advice(self, name: object) -> str:
        close = difflib.get_close_matches(str(name)[:100], self._positions, n=1)
        if close:
            return f": did you mean {_shown(close[0])}?"
        return f": the fields are {_listing(map(_shown, self._positions))}"

    @property
    def _form(self) -> str:
        names = _listing(field.name for field in self.fields)
        plural = "s" if len(self.fields) > 1 else ""
        return f"{len(self.fields)} value{plural} ({names})"

    def _columns(self, rows: Sequence[Row]) -> list[Column] | None:
        columns = []
        for field, cells in zip(self.fields, zip(*rows, strict=True), strict=True):
            column = _CONVERTERS[field.dtype](field, cells)
            if column is None:
                return None
            columns.append(column)
        return columns

    def _explain(self, rows: Sequence[Row]) -> str:
        for index, row in enumerate(rows):
            for field, cell in zip(self.fields, row, strict=True):
                if wrong := problem(field, cell):
                    return f"row {index}, field {_shown(field.name)}: {wrong}"
        raise AssertionError("a column was refused whose cells are all in order")


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
        return f"expected {_WORDS[field.dtype]}, got {_shown(value)}{_quoted(field, value)}"
    wrong = _text_problem(value) if isinstance(value, str) else _number_problem(field, value)
    if wrong or field.closed is None or value in field.closed:
        return wrong
    return f"unknown category {_shown(value)}{_choices(field, value)}"


def _number_problem(field: Field, value: Any) -> str:
    try:
        number = float(value)
    except OverflowError:
        return "the number is too large for double precision"
    if not math.isfinite(number):
        hint = "send null for a missing value" if field.nullable else "send a finite number"
        return f"{_shown(value)} is not a JSON number: {hint}"
    if field.dtype == "integer" and not number.is_integer():
        return f"expected an integer, got {_shown(value)}"
    if field.dtype == "integer" and not -(2**63) <= value < 2**63:
        return f"{_shown(value)} does not fit into 64 bits"
    return ""


def _text_problem(value: str) -> str:
    if len(value) > MAX_TEXT:
        return f"the text has {len(value)} characters: at most {MAX_TEXT} are read"
    return "" if _is_unicode(value) else "the text holds a lone surrogate, which is no Unicode"


def _quoted(field: Field, value: object) -> str:
    if field.dtype in ("number", "integer") and isinstance(value, str) and len(value) < 40:
        return ": send the number without quotes" if not isinstance(field.parse(value), str) else ""
    return ""


def _choices(field: Field, value: object) -> str:
    close = difflib.get_close_matches(str(value)[:100], map(str, field.categories), n=1)
    advice = f"; did you mean {_shown(close[0])}?" if close else ""
    return f": expected one of {_listing(map(_shown, field.categories))}{advice}"


def _numbers(field: Field, cells: Row) -> Column | None:
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


def _integers(field: Field, cells: Row) -> Column | None:
    """Convert to int64, or to float64 where there are nulls; None if a cell does not fit."""
    column = _numbers(field, cells)
    if column is None or not np.all((column == np.floor(column)) | np.isnan(column)):
        return None
    if np.isnan(column).any():
        inside = (column >= -(2.0**63)) & (column < 2.0**63) | np.isnan(column)
        return column if inside.all() else None
    whole = [int(cell) for cell in cells]  # type: ignore[call-overload]
    try:
        return np.array(whole, dtype=np.int64)
    except OverflowError:
        return None


def _booleans(field: Field, cells: Row) -> Column | None:
    """Convert to bool, or to objects with NaN where there are nulls."""
    kinds = set(map(type, cells))
    if kinds <= {bool}:
        return np.array(cells, dtype=bool)
    return _objects(cells) if field.nullable and kinds <= {bool, type(None)} else None


def _strings(field: Field, cells: Row) -> Column | None:
    """Convert to objects: strings, and NaN for null; None if a cell does not fit."""
    kinds = set(map(type, cells))
    if not kinds <= {str, type(None)} or (type(None) in kinds and not field.nullable):
        return None
    if any(isinstance(cell, str) and _text_problem(cell) for cell in cells):
        return None
    return _objects(cells) if _are_known(field, cells) else None


def _are_known(field: Field, cells: Row) -> bool:
    return field.closed is None or set(cells) - {None} <= field.closed


def _objects(cells: Row) -> Column:
    column = np.empty(len(cells), dtype=object)
    column[:] = [np.nan if cell is None else cell for cell in cells]
    return column


def _array(fields: Sequence[Field], columns: Sequence[Column]) -> Table:
    kinds = {column.dtype.kind for column in columns}
    if "O" in kinds:
        return np.column_stack([column.astype(object) for column in columns])
    return np.column_stack(columns) if kinds == {"b"} else np.column_stack(columns).astype(float)


def _dataframe(fields: Sequence[Field], columns: Sequence[Column]) -> Table:
    import pandas as pd

    series = {}
    for field, column in zip(fields, columns, strict=True):
        if field.categorical:
            known = set(field.categories)
            cells = [cell if cell in known else None for cell in column.tolist()]
            series[field.name] = pd.Series(pd.Categorical(cells, list(field.categories)))
        else:
            series[field.name] = pd.Series(column, dtype=column.dtype)
    return pd.DataFrame(series)


def _texts(fields: Sequence[Field], columns: Sequence[Column]) -> Table:
    return list(columns[0])


_BUILDERS: dict[Container, Callable[[Sequence[Field], Sequence[Column]], Table]] = {
    "array": _array,
    "dataframe": _dataframe,
    "text": _texts,
}
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


def _listed(data: Any) -> Sequence[object]:
    if isinstance(data, np.ndarray):
        data = data.tolist()
    elif hasattr(data, "to_dict") and hasattr(data, "columns"):
        data = data.astype(object).where(data.notna(), None).to_dict("records")
    if not isinstance(data, list | tuple):
        raise InvalidInputError(f"expected a list of rows, got {_shown(data)}")
    if not data:
        raise InvalidInputError("no rows came: send at least one")
    if len(data) > MAX_ROWS:
        raise InvalidInputError(f"{len(data)} rows came: send at most {MAX_ROWS} at once")
    return data


def _native(cell: object) -> object:
    return cell.item() if isinstance(cell, np.generic) else cell


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
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


def _listing(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN_NAMES} more" if len(listed) > SHOWN_NAMES else ""
    return ", ".join(listed[:SHOWN_NAMES]) + more
