"""Checked rows on their way to a model: a matrix, columns by name, or texts; joined and cut."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Columns:
    """Rows of a model that was fitted on a DataFrame: one array for each column.

    Attributes
    ----------
    names : tuple of str
        The columns' names, in the order of the model's.
    arrays : tuple of ndarray
        One-dimensional, of equal length: float64 (float32 for a field of single precision),
        int64, bool, or objects: strings, or booleans among which are nulls. A null is NaN.
    """

    names: tuple[str, ...]
    arrays: tuple[Array, ...]


#: What `Signature.rows` gives and `Model.answers` takes.
Table: TypeAlias = "Array | Columns | list[str]"


def rows(table: Table) -> int:
    """Return the number of rows."""
    return len(table.arrays[0]) if isinstance(table, Columns) else len(table)


def kind(table: Table) -> Hashable:
    """Return what two tables of one model must share to be joined.

    A column of integers among which is a null is one of floats, so tables of one signature may
    differ; joined, an integer beyond 2**53 would change.
    """
    if isinstance(table, Columns):
        return tuple(each.dtype for each in table.arrays)
    return table.dtype if isinstance(table, np.ndarray) else str


def joined(tables: Sequence[Table]) -> Table:
    """Put the rows of tables of one kind one after the other.

    Parameters
    ----------
    tables : sequence
        At least one, all checked by the same signature.

    Raises
    ------
    ValueError
        If their `kind` differs: predict them apart.
    """
    if len(tables) == 1:
        return tables[0]
    if len(set(map(kind, tables))) > 1:
        raise ValueError("tables of different kinds cannot be joined: predict them apart")
    first = tables[0]
    if isinstance(first, Columns):
        columns = zip(*(each.arrays for each in tables), strict=True)  # type: ignore[union-attr]
        return replace(first, arrays=tuple(map(np.concatenate, columns)))
    if isinstance(first, np.ndarray):
        return np.concatenate(tables)  # type: ignore[arg-type]
    return list(chain.from_iterable(tables))  # type: ignore[arg-type]


def matrix(table: Table) -> Array:
    """Return a table of numbers as one array, rows by columns."""
    if isinstance(table, Columns):
        return np.column_stack([each.astype(np.float64, copy=False) for each in table.arrays])
    return np.asarray(table)


def part(table: Table, start: int, stop: int) -> Table:
    """Return the rows from `start` up to, and without, `stop`."""
    if isinstance(table, Columns):
        return replace(table, arrays=tuple(each[start:stop] for each in table.arrays))
    return table[start:stop]
