"""Checked rows on their way to a model: a matrix, columns by name, or texts; joined and cut."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from tridock.inference.data.field import Container

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


class Table:
    """Rows that `Signature.rows` checked, as `Model.answers` takes them.

    Parameters
    ----------
    container : str
        What the model was fitted on: ``"array"``, ``"dataframe"``, ``"text"``; or ``"given"`` for
        rows that a fitted model is called with untouched, which are neither cut nor joined.
    arrays : tuple of ndarray
        Of equal length: an array's rows by columns; one for each column of a DataFrame; the texts.
        They are float64 (float32 for fields of single precision), int64, bool, or objects: strings,
        or booleans among which are nulls. A null is NaN.

    Attributes
    ----------
    count : int
        Number of rows.
    """

    __slots__ = ("arrays", "container", "count")

    def __init__(self, container: Container | Literal["given"], arrays: tuple[Any, ...]) -> None:
        self.container = container
        self.arrays = arrays
        self.count = len(arrays[0])

    @property
    def kind(self) -> Hashable:
        """The dtypes, which two tables of one model must share to be joined.

        A column of integers among which is a null is one of floats, so tables of one signature may
        differ; joined, an integer beyond 2**53 would change.
        """
        return tuple(array.dtype for array in self.arrays)

    def columns(self) -> Sequence[Array]:
        """Return an array for each column."""
        if self.container == "dataframe":
            return self.arrays
        return np.asarray(self.arrays[0]).T  # type: ignore[return-value]

    def matrix(self) -> Array:
        """Return the numbers as one array, rows by columns."""
        if self.container == "dataframe":
            return np.column_stack([array.astype(np.float64, copy=False) for array in self.arrays])
        return np.asarray(self.arrays[0])

    def texts(self) -> list[str]:
        """Return the rows of a model of texts."""
        return list(self.arrays[0])

    def part(self, start: int, stop: int) -> Table:
        """Return the rows from `start` up to, and without, `stop`."""
        return self._with([array[start:stop] for array in self.arrays])

    def copied(self, index: int) -> Table:
        """Return one row that does not hold on to the others."""
        return self._with([array[index : index + 1].copy() for array in self.arrays])

    def padded(self, count: int) -> Table:
        """Return the rows, with the first one repeated at their end until there are `count`."""
        more = count - self.count
        return self._with(
            [np.concatenate((array, np.repeat(array[:1], more, axis=0))) for array in self.arrays]
        )

    def followed_by(self, others: Sequence[Table]) -> Table:
        """Put the rows of other tables after these; all were checked by the same signature.

        Raises
        ------
        ValueError
            If their `kind` differs: predict them apart.
        """
        if any(other.kind != self.kind for other in others):
            raise ValueError("tables of different kinds cannot be joined: predict them apart")
        columns = zip(self.arrays, *(other.arrays for other in others), strict=True)
        return self._with(map(np.concatenate, columns)) if others else self

    def _with(self, arrays: Iterable[Array]) -> Table:
        return Table(self.container, tuple(arrays))
