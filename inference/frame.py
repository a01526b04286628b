"""Columns as the DataFrame that a pipeline was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from inference.signature import Field
from inference.table import Columns

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from inference.table import Table

    Array: TypeAlias = npt.NDArray[Any]


def rows(table: Table, fields: Sequence[Field]) -> Any:
    """Return a table as an estimator takes it: columns become a DataFrame, others stay.

    Parameters
    ----------
    table : Table
        Checked rows.
    fields : sequence of Field
        What each column is.
    """
    return of(table, fields) if isinstance(table, Columns) else table


def of(columns: Columns, fields: Sequence[Field]) -> pd.DataFrame:
    """Make a DataFrame with the columns' names and types; a category that is not known is missing.

    Parameters
    ----------
    columns : Columns
        Checked rows.
    fields : sequence of Field
        What each column is.
    """
    import pandas as pd

    named = zip(fields, columns.arrays, strict=True)
    return pd.DataFrame({field.name: _series(field, cells) for field, cells in named})


def _series(field: Field, cells: Array) -> Any:
    import pandas as pd

    if not field.categorical:
        return pd.Series(cells, dtype=cells.dtype)
    known = set(field.categories)
    levels = [cell if cell in known else None for cell in cells.tolist()]
    return pd.Series(pd.Categorical(levels, list(field.categories)))
