"""The row check: JSON values in, the model's columns out, or words that say what is wrong."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tridock.inference.data.cells import column, listing, problem, shown, singles
from tridock.inference.data.field import Container, Field
from tridock.inference.data.table import Table
from tridock.inference.errors import InvalidInputError

if TYPE_CHECKING:
    from tridock.inference.data.cells import Column

#: More rows in one request are refused before they cost memory.
MAX_ROWS = 1_000_000

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
            return Table(self.container, (matrix,))
        rows = [self._row(index, row) for index, row in enumerate(_listed(data))]
        columns = self._columns(rows)
        if columns is None:
            rows = [[_native(cell) for cell in row] for row in rows]
            columns = self._columns(rows)
        if columns is None:
            raise InvalidInputError(self._explain(rows))
        return built(self.container, columns)

    def _matrix(self, data: object) -> Column | None:
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
        if not np.isfinite(matrix).all():
            return None
        return singles(matrix) if self.fields[0].single else matrix

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
                raise InvalidInputError(f"row {index}: expected {self._form}, got {shown(row)}")
            return (row,)
        if len(row) != len(self.fields):
            raise InvalidInputError(
                f"row {index}: expected {self._form}, got a list of {len(row)} values"
            )
        return row

    @cached_property
    def _picked(self) -> Callable[[dict[Any, object]], Row]:
        names = [field.name for field in self.fields]
        if len(names) == 1:
            return lambda row: (row[names[0]],)
        return itemgetter(*names)

    def _named(self, index: int, row: dict[Any, object]) -> Row:
        if len(row) == len(self.fields):
            with contextlib.suppress(KeyError):
                return self._picked(row)
        if unknown := [name for name in row if name not in self._positions]:
            raise InvalidInputError(
                f"row {index}: unknown field {shown(unknown[0])}{self._advice(unknown[0])}"
            )
        if missing := [field for field in self.fields if field.name not in row]:
            null = ": send null for a missing value" if missing[0].nullable else ""
            names = listing(shown(field.name) for field in missing)
            raise InvalidInputError(f"row {index}: lacks {names}{null}")
        return [row[field.name] for field in self.fields]

    def _advice(self, name: object) -> str:
        close = difflib.get_close_matches(str(name)[:100], self._positions, n=1)
        if close:
            return f": did you mean {shown(close[0])}?"
        return f": the fields are {listing(map(shown, self._positions))}"

    @property
    def _form(self) -> str:
        names = listing(field.name for field in self.fields)
        plural = "s" if len(self.fields) > 1 else ""
        return f"{len(self.fields)} value{plural} ({names})"

    def _columns(self, rows: Sequence[Row]) -> list[Column] | None:
        columns = []
        for field, cells in zip(self.fields, zip(*rows, strict=True), strict=True):
            converted = column(field, cells)
            if converted is None:
                return None
            columns.append(converted)
        return columns

    def _explain(self, rows: Sequence[Row]) -> str:
        for index, row in enumerate(rows):
            for field, cell in zip(self.fields, row, strict=True):
                if wrong := problem(field, cell):
                    return f"row {index}, field {shown(field.name)}: {wrong}"
        raise AssertionError("a column was refused whose cells are all in order")


def built(container: Container, columns: Sequence[Column]) -> Table:
    """Build the table a model takes from checked columns, one for each field, in order."""
    return Table(container, (_stacked(columns),) if container == "array" else tuple(columns))


def _stacked(columns: Sequence[Column]) -> Column:
    kinds = {each.dtype.kind for each in columns}
    if "O" in kinds:
        return np.column_stack([each.astype(object) for each in columns])
    stacked = np.column_stack(columns)
    return stacked if kinds in ({"b"}, {"f"}) else stacked.astype(float)


def _listed(data: Any) -> Sequence[object]:
    if isinstance(data, np.ndarray):
        data = data.tolist()
    elif hasattr(data, "to_dict") and hasattr(data, "columns"):
        data = data.astype(object).where(data.notna(), None).to_dict("records")
    if not isinstance(data, list | tuple):
        raise InvalidInputError(f"expected a list of rows, got {shown(data)}")
    if not data:
        raise InvalidInputError("no rows came: send at least one")
    if len(data) > MAX_ROWS:
        raise InvalidInputError(f"{len(data)} rows came: send at most {MAX_ROWS} at once")
    return data


def _native(cell: object) -> object:
    return cell.item() if isinstance(cell, np.generic) else cell
