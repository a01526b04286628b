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


def is_needless(fitted: Any, fields: Sequence[Field]) -> bool:
    """Tell whether a model that was fitted on a DataFrame only takes its numbers.

    So it is where all columns are numbers and every step is an estimator of scikit-learn that
    turns a DataFrame into a matrix before anything else.
    """
    numbers = all(field.dtype != "string" and not field.categorical for field in fields)
    same = not any(field.single for field in fields)
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

    if not field.categorical:
        return pd.Series(cells, dtype=cells.dtype)
    known = set(field.categories)
    levels = [cell if cell in known else None for cell in cells.tolist()]
    return pd.Series(pd.Categorical(levels, list(field.categories)))
