"""A sample of a model's input, in whatever form it was given, as columns of JSON values."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference.errors import PackagingError
from inference.manifest import Training
from inference.signature import Container, Dtype, Field, Scalar

#: A string column with more distinct values than this is text, unless the model says otherwise.
MAX_CATEGORIES = 50

Cells = tuple[Any, ...]


@dataclass(frozen=True)
class Sample:
    """Rows as the model takes them, and the same rows as JSON.

    Attributes
    ----------
    table : ndarray, DataFrame or list of str
        What the model is called with.
    container : str
        Which of the three it is.
    names : tuple of str
        One per column.
    columns : tuple of tuple
        The cells by column, as JSON values; None where a value is missing.
    """

    table: Any
    container: Container
    names: tuple[str, ...]
    columns: tuple[Cells, ...]

    @classmethod
    def read(cls, model: Any, data: Any, names: Sequence[str] | None = None) -> Sample:
        """Find out how `model` takes `data`.

        Parameters
        ----------
        model : estimator
            A fitted estimator; one that was fitted on a DataFrame says so.
        data : array, DataFrame, sparse matrix, or a list or Series of str
            Rows that `model` can predict.
        names : sequence of str, optional
            Names of an array's columns; by default ``x0``, ``x1`` …

        Raises
        ------
        PackagingError
            If `data` has no rows, is none of these, or lacks columns that the model needs.
        """
        if _is_frame(data):
            return _of_frame(model, data)
        if (texts := _texts(data)) is not None:
            name = str(getattr(data, "name", None) or "text")
            return cls(texts, "text", (name,), (tuple(texts),))
        return _of_array(model, data, names)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns[0])

    def row(self, index: int) -> list[Scalar | None]:
        """Return one row as JSON values."""
        return [column[index] for column in self.columns]

    def take(self, indices: Sequence[int]) -> Any:
        """Return some rows as the model takes them."""
        if _is_frame(self.table):
            return self.table.iloc[list(indices)]
        if isinstance(self.table, list):
            return [self.table[index] for index in indices]
        return self.table[list(indices)]

    def fields(self) -> tuple[Field, ...]:
        """Describe each column by what the sample shows; `inference.probe` asks the model more."""
        return tuple(self._field(index) for index in range(len(self.names)))

    def _field(self, index: int) -> Field:
        if self.container == "text":
            return Field(self.names[0], "string")
        levels = _levels(self.table[self.names[index]]) if self.container == "dataframe" else None
        seen = [cell for cell in self.columns[index] if cell is not None]
        dtype = _dtype(self.names[index], levels or seen)
        if dtype == "integer" and self.container == "array":
            dtype = "number"  # A matrix has one type: whole numbers in it may be measures.
        return _field(self.names[index], dtype, seen, levels)


def fingerprint(*parts: Any) -> Training:
    """Return the digest and row count of training data, to tell later what a model was fitted on.

    Parameters
    ----------
    *parts : array, DataFrame, Series or list
        Features and target; equal values in equal order give an equal digest.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(_bytes(part))
    return Training(digest.hexdigest(), len(parts[0]))


def _dtype(name: str, cells: Sequence[Any]) -> Dtype:
    kinds = {type(cell) for cell in cells}
    for dtype, allowed in _KINDS.items():
        if kinds and kinds <= allowed:
            return dtype
    found = ", ".join(sorted(kind.__name__ for kind in kinds)) or "only missing values"
    raise PackagingError(
        f"column {name!r} holds {found}: a column holds numbers, booleans or strings, at least one"
    )


#: JSON types by dtype, the narrowest first.
_KINDS: dict[Dtype, set[type]] = {
    "boolean": {bool},
    "integer": {int},
    "number": {int, float},
    "string": {str},
}


def _field(
    name: str, dtype: Dtype, seen: Sequence[Any], levels: tuple[Scalar, ...] | None
) -> Field:
    numeric = dtype in ("integer", "number") and bool(seen)
    return Field(
        name,
        dtype,
        minimum=min(seen) if numeric else None,
        maximum=max(seen) if numeric else None,
        categories=levels or (_few(seen) if dtype == "string" else ()),
        categorical=levels is not None,
    )


def native(cell: Any) -> Scalar | None:
    """Convert one cell to a JSON value; None for NaN, None, NaT and NA."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(cell, float) and math.isnan(cell):
        return None
    if not isinstance(cell, str | int | float | bool):
        return cell  # type: ignore[no-any-return]
    if isinstance(cell, float) and math.isinf(cell):
        raise PackagingError("the sample holds an infinite value: JSON cannot carry it")
    return cell


def _of_frame(model: Any, data: Any) -> Sample:
    frame = _selected(model, data)
    if not len(frame) or not len(frame.columns):
        raise PackagingError("the sample is empty: give rows that the model can predict")
    if any(not isinstance(name, str) for name in frame.columns) or frame.columns.has_duplicates:
        raise PackagingError(f"column names must be distinct strings, and are {list(frame)[:20]}")
    names = tuple(str(name) for name in frame.columns)
    columns = tuple(tuple(native(cell) for cell in frame[name].tolist()) for name in names)
    if _fitted_names(model) is None and len(names) == 1 and {type(c) for c in columns[0]} == {str}:
        return Sample([str(cell) for cell in columns[0]], "text", names, columns)
    if _fitted_names(model) is None and _warns_of_names(model, frame):
        return Sample(frame.to_numpy(), "array", names, columns)
    return Sample(frame, "dataframe", names, columns)


def _of_array(model: Any, data: Any, names: Sequence[str] | None) -> Sample:
    array = _matrix(data)
    if array.ndim != 2 or 0 in array.shape:
        raise PackagingError(
            f"the sample has shape {array.shape}: give rows by columns, a DataFrame, or a list of "
            "texts"
        )
    fitted = _fitted_names(model)
    if fitted is not None:
        raise PackagingError(
            f"the model was fitted on a DataFrame with columns {', '.join(fitted)}: give a "
            "DataFrame as the sample"
        )
    names = tuple(names or (f"x{index}" for index in range(array.shape[1])))
    if len(set(names)) != array.shape[1]:
        raise PackagingError(f"{len(set(names))} distinct names for {array.shape[1]} columns")
    columns = tuple(tuple(native(cell) for cell in column) for column in array.T.tolist())
    return Sample(array, "array", names, columns)


def _matrix(data: Any) -> Any:
    if hasattr(data, "toarray"):
        data = data.toarray()
    try:
        array = np.asarray(data)
        # NumPy makes strings of a row that mixes them with numbers.
        mixed = array.dtype.kind in "US" and not isinstance(data, np.ndarray)
        return np.array(data, dtype=object) if mixed else array
    except ValueError as error:
        raise PackagingError(f"the sample's rows differ in length: {error}") from error


def _texts(data: Any) -> list[str] | None:
    if getattr(data, "ndim", 1) != 1 or not hasattr(data, "__iter__") or isinstance(data, str):
        return None
    texts = list(data)
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    return [str(text) for text in texts]


def _selected(model: Any, frame: Any) -> Any:
    """Keep the columns the model was fitted on, in its order: a sample may bring the target too."""
    wanted = _fitted_names(model)
    if wanted is None:
        return frame
    if missing := [name for name in wanted if name not in frame.columns]:
        raise PackagingError(f"the sample lacks columns the model needs: {', '.join(missing)}")
    return frame[list(wanted)]


def _fitted_names(model: Any) -> tuple[str, ...] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def _warns_of_names(model: Any, frame: Any) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.predict(frame.head(1))
        except Exception as error:
            raise PackagingError(f"the model cannot predict the sample: {error}") from error
    return any("feature names" in str(warning.message) for warning in caught)


def _levels(series: Any) -> tuple[Scalar, ...] | None:
    """Return the categories of a column of pandas' category dtype."""
    if getattr(series.dtype, "name", "") != "category":
        return None
    return tuple(level for cell in series.cat.categories if (level := native(cell)) is not None)


def _few(seen: Sequence[Any]) -> tuple[Scalar, ...]:
    distinct = set(seen)
    few = len(distinct) <= min(MAX_CATEGORIES, len(seen) // 2)
    return tuple(sorted(distinct)) if few else ()


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "iloc")


def _bytes(part: Any) -> bytes:
    if _is_frame(part):
        return str(part.to_csv(index=False)).encode()
    array = np.asarray(part)
    if array.dtype.kind in "biuf":
        return f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
    return json.dumps(array.tolist(), default=str).encode()
