"""A sample of a model's input, given in any form, as columns of JSON values."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tridock.inference.bundle.manifest import Training
from tridock.inference.data.dataframe import as_learnt
from tridock.inference.data.field import Container, Field
from tridock.inference.data.table import Table
from tridock.inference.errors import PackagingError
from tridock.inference.packaging import fitted_facts
from tridock.inference.packaging import sample_column as column

#: Rows that are read of a larger sample, taken evenly over it.
MAX_ROWS = 100_000


@dataclass(frozen=True)
class Sample:
    """Rows as the model takes them, and the same rows as JSON.

    Attributes
    ----------
    data : ndarray, DataFrame or list of str
        What the model is called with.
    container : str
        Which of the three it is.
    names : tuple of str
        One per column.
    columns : tuple of tuple
        The cells by column, as JSON values; None where a value is missing.
    """

    data: Any
    container: Container
    names: tuple[str, ...]
    columns: tuple[tuple[Any, ...], ...]

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
        data = _thinned(data)
        if _is_frame(data):
            return _of_frame(model, data)
        if (texts := _texts(data)) is not None:
            name = str(getattr(data, "name", None) or "text")
            return cls(texts, "text", (name,), (tuple(texts),))
        return _of_array(model, data, names)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns[0])

    def row(self, index: int) -> list[Any]:
        """Return one row as JSON values."""
        return [cells[index] for cells in self.columns]

    def take(self, indices: Sequence[int]) -> Table:
        """Return some rows, untouched."""
        if _is_frame(self.data):
            taken = self.data.iloc[list(indices)]
        elif isinstance(self.data, list):
            taken = [self.data[index] for index in indices]
        else:
            taken = self.data[list(indices)]
        return Table("given", (taken,))

    def whole(self) -> Table:
        """Return all rows, untouched."""
        return Table("given", (self.data,))

    def fields(self) -> tuple[Field, ...]:
        """Describe each column by what the sample shows; `inference.probe` asks the model more."""
        if self.container == "text":
            return (Field(self.names[0], "string"),)
        if self.container == "dataframe":
            return tuple(column.field(name, self.data[name], in_frame=True) for name in self.names)
        named = zip(self.names, self.data.T, strict=True)
        return tuple(column.field(name, values, in_frame=False) for name, values in named)


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
    return Training(digest.hexdigest(), _rows(parts[0]))


def _of_frame(model: Any, data: Any) -> Sample:
    frame = _selected(model, data)
    if not len(frame) or not len(frame.columns):
        raise PackagingError("the sample is empty: give rows that the model can predict")
    if any(not isinstance(name, str) for name in frame.columns) or frame.columns.has_duplicates:
        raise PackagingError(f"column names must be distinct strings, and are {list(frame)[:20]}")
    frame = _as_learnt(model, frame)
    names = tuple(str(name) for name in frame.columns)
    columns = tuple(column.cells(frame[name]) for name in names)
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
    return Sample(array, "array", names, tuple(map(column.cells, array.T)))


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
    spelt = {_plain(name): name for name in frame.columns if name not in wanted}
    columns = [name if name in frame.columns else spelt.get(_plain(name)) for name in wanted]
    if missing := [name for name, column in zip(wanted, columns, strict=True) if column is None]:
        raise PackagingError(f"the sample lacks columns the model needs: {', '.join(missing)}")
    return frame[columns]


def _plain(name: Any) -> str:
    """Return a column's name as LightGBM keeps it: it writes ``_`` for each blank."""
    return str(name).replace(" ", "_")


def _as_learnt(model: Any, frame: Any) -> Any:
    """Put the missing value that the model was fitted on into columns of objects.

    A CSV file, for example, gives NaN where the training data had None.
    """
    kinds = fitted_facts.missing(model, list(map(str, frame.columns)))
    changed = {}
    for name, kind in kinds.items():
        if name in frame and set(column.missing_kinds(frame[name])) - {kind}:
            shown = Field(name, "string", missing_value=kind)
            cells = frame[name].where(frame[name].notna(), np.nan)
            changed[name] = as_learnt(shown, cells.to_numpy(dtype=object))
    return frame.assign(**changed) if changed else frame


def _fitted_names(model: Any) -> tuple[str, ...] | None:
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        names = getattr(fitted_facts.unwrapped(model), "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def _warns_of_names(model: Any, frame: Any) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.predict(frame.head(1))
        except Exception as error:
            raise PackagingError(f"the model cannot predict the sample: {error}") from error
    return any("feature names" in str(warning.message) for warning in caught)


def _thinned(data: Any) -> Any:
    """Take rows evenly over a very large sample: more would cost time and tell no more."""
    rows = _rows(data)
    if rows <= MAX_ROWS:
        return data
    kept = np.linspace(0, rows - 1, MAX_ROWS).astype(int)
    if hasattr(data, "iloc"):
        return data.iloc[kept]
    return [data[index] for index in kept] if isinstance(data, list | tuple) else data[kept]


def _rows(data: Any) -> int:
    if getattr(data, "shape", ()):
        return int(data.shape[0])
    return len(data) if hasattr(data, "__len__") else 0


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "iloc")


def _bytes(part: Any) -> bytes:
    part = part.toarray() if hasattr(part, "toarray") else part
    if _is_frame(part):
        return str(part.to_csv(index=False)).encode()
    array = np.asarray(part)
    if array.dtype.kind in "biuf":
        return f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
    return json.dumps(array.tolist(), default=str).encode()
