"""Columns as the DataFrame that a pipeline was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tridock.inference.data.field import Field

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from tridock.inference.data.table import Table

    Array: TypeAlias = npt.NDArray[Any]


#: Modules whose estimators only take the numbers of a DataFrame,
PLAIN = tuple(
    f"sklearn.{name}."
    for name in (
        "cluster",
        "decomposition",
        "ensemble",
        "impute",
        "linear_model",
        "naive_bayes",
        "neighbors",
        "neural_network",
        "preprocessing",
        "svm",
        "tree",
    )
)
#: and those in them that look at its columns' types, or hand it on to others.
NAMED = (
    "FunctionTransformer",
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "OneHotEncoder",
    "OrdinalEncoder",
    "TargetEncoder",
    "StackingClassifier",
    "StackingRegressor",
    "VotingClassifier",
    "VotingRegressor",
    "BaggingClassifier",
    "BaggingRegressor",
)


def rows(table: Table, fields: Sequence[Field]) -> Any:
    """Return a table as an estimator takes it: columns become a DataFrame, texts a list.

    Parameters
    ----------
    table : Table
        Checked rows.
    fields : sequence of Field
        What each column is.
    """
    if table.container == "dataframe":
        return _frame(table.arrays, fields)
    if table.container == "text":
        return table.texts()
    return _objects(table.matrix(), fields) if table.container == "array" else table.arrays[0]


def _frame(columns: Sequence[Array], fields: Sequence[Field]) -> pd.DataFrame:
    """Make a DataFrame with the fields' names and types; a category not known is missing."""
    import pandas as pd

    named = zip(fields, columns, strict=True)
    return pd.DataFrame({field.name: _series(field, cells) for field, cells in named})


def is_needless(fitted: Any, fields: Sequence[Field]) -> bool:
    """Tell whether a model that was fitted on a DataFrame only takes its numbers.

    So it is where all columns are numbers and every step is an estimator of scikit-learn that
    turns a DataFrame into a matrix before anything else.
    """
    numbers = all(field.dtype != "string" and not field.categorical for field in fields)
    same = not any(field.single or field.frame_dtype for field in fields)
    return numbers and same and all(map(_takes_matrix, _steps(fitted)))


def forget_names(fitted: Any) -> None:
    """Take the columns' names from a model, which would warn of a matrix that has none."""
    for step in (fitted, *_steps(fitted)):
        if "feature_names_in_" in vars(step):
            del step.feature_names_in_


def _steps(fitted: Any) -> list[Any]:
    if type(fitted).__name__ != "Pipeline":
        return [fitted]
    return [step for _, step in fitted.steps if step not in (None, "passthrough")]


def _takes_matrix(step: Any) -> bool:
    module = type(step).__module__
    own = hasattr(step, "_sklearn_output_config")
    return module.startswith(PLAIN) and not own and type(step).__name__ not in NAMED


def _series(field: Field, cells: Array) -> Any:
    import pandas as pd

    if field.categorical:
        known = set(field.categories)
        levels = [cell if cell in known else None for cell in cells.tolist()]
        return pd.Series(pd.Categorical(levels, list(field.categories)))
    if field.frame_dtype and field.frame_dtype != "object":
        dtype: Any = field.frame_dtype
        return pd.Series(_filled(_whole(field, cells)), dtype=object).astype(dtype)
    if field.frame_dtype:
        cells = _filled(_whole(field, cells))
    return pd.Series(as_learnt(field, cells), dtype=cells.dtype)


def as_learnt(field: Field, cells: Array) -> Array:
    """Put the missing value that the model was fitted on in place of NaN in a column of objects."""
    if cells.dtype != object or field.missing_value == "nan":
        return cells
    missing = _missing(field)
    return _filled(
        [missing if type(cell) is float and cell != cell else cell for cell in cells.tolist()]
    )


def _filled(cells: list[Any]) -> Array:
    """Return an array of objects: NumPy would make numbers of them."""
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


def _whole(field: Field, cells: Array) -> list[Any]:
    """Return cells as Python objects; integers among which is a NaN became floats."""
    listed: list[Any] = cells.tolist()
    if field.dtype == "integer" and cells.dtype.kind == "f":
        return [int(cell) if cell == cell else cell for cell in listed]
    return listed


def _missing(field: Field) -> Any:
    if field.missing_value == "none":
        return None
    import pandas as pd

    return pd.NA if field.missing_value == "NA" else pd.NaT


def _objects(rows: Array, fields: Sequence[Field]) -> Array:
    """Rebuild the missing values of an array of objects, column by column."""
    if rows.dtype != object or all(field.missing_value == "nan" for field in fields):
        return rows
    columns = (as_learnt(field, cells) for field, cells in zip(fields, rows.T, strict=True))
    return np.column_stack([*columns])
