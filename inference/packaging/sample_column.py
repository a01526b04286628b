"""One column of a sample: its cells as JSON values, and the field that describes it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tridock.inference.data.field import Dtype, Field, Missing, Scalar
from tridock.inference.errors import PackagingError

#: A string column with more distinct values than this is text, unless the model says otherwise.
MAX_CATEGORIES = 50
#: JSON types by dtype, the narrowest first.
KINDS: dict[Dtype, set[type]] = {
    "boolean": {bool},
    "integer": {int},
    "number": {int, float},
    "string": {str},
}

#: pandas' dtypes that have NA, for values of each type.
NULLABLE: dict[Dtype, str] = {
    "boolean": "boolean",
    "integer": "Int64",
    "number": "Float64",
    "string": "string",
}


def cells(values: Any) -> tuple[Any, ...]:
    """Return a column of an array or a DataFrame as JSON values, None where one is missing.

    What JSON does not know comes back as it is, for `field` to refuse.

    Raises
    ------
    PackagingError
        If a number is infinite.
    """
    if is_single(values):  # 5.1 in single precision is 5.1, not 5.099999904632568.
        values = np.asarray(values).astype(str).astype(float)
    return tuple(native(cell) for cell in values.tolist())


def native(cell: Any) -> Any:
    """Return one cell as a JSON value; None for NaN, None, NaT and NA."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return None
    if not isinstance(cell, float) or math.isfinite(cell):
        return cell
    if math.isinf(cell):
        raise PackagingError("the sample holds an infinite value: JSON cannot carry it")
    return None


def missing_kind(cell: Any) -> Missing | None:
    """Return which missing value a cell is: None, NaN, NaT or NA; None for any other value."""
    if cell is None:
        return "none"
    if isinstance(cell, float | np.floating):
        return "nan" if math.isnan(cell) else None
    return {"NAType": "NA", "NaTType": "NaT"}.get(type(cell).__name__)  # type: ignore[return-value]


def missing_kinds(values: Any) -> Counter[Missing]:
    """Count the kinds of missing values in a column of objects; other columns have NaN alone."""
    if values.dtype != object:
        return Counter()
    return Counter(kind for cell in values.tolist() if (kind := missing_kind(cell)))


def field(name: str, values: Any, *, in_frame: bool) -> Field:
    """Describe a column by its values; `tridock.inference.packaging.probe` finds the rest.

    Parameters
    ----------
    name : str
        Its name.
    values : ndarray or Series
        What it holds.
    in_frame : bool
        Whether it is a DataFrame's column, with a type of its own. An array has one type for all:
        whole numbers in it may be measures.

    Raises
    ------
    PackagingError
        If it holds nothing, or what is neither number, boolean nor string, or a mixture.
    """
    levels = _levels(values)
    seen = [cell for cell in cells(values) if cell is not None]
    dtype = _dtype(name, levels or seen)
    numeric = dtype in ("integer", "number")
    kinds = missing_kinds(values).most_common(1)
    return Field(
        name,
        dtype if in_frame or dtype != "integer" else "number",
        minimum=min(seen) if numeric and seen else None,
        maximum=max(seen) if numeric and seen else None,
        categories=levels or (_few(seen) if dtype == "string" else ()),
        categorical=levels is not None,
        single=is_single(values),
        missing_value=kinds[0][0] if kinds else "nan",
        frame_dtype=_frame_dtype(values, dtype) if in_frame else "",
    )


def is_single(values: Any) -> bool:
    """Tell whether a column is kept in single precision."""
    return bool(values.dtype == np.float32)


def _frame_dtype(values: Any, dtype: Dtype) -> str:
    """Name a frame column's dtype where JSON values alone do not lead to it."""
    name = str(values.dtype)
    if name == "object":
        return "" if dtype == "string" else name
    if isinstance(values.dtype, np.dtype) or name.startswith(("category", "Sparse")):
        return ""
    # Columns of Arrow become pandas' own nullable ones: the model server has no pyarrow.
    return name if name == "str" else NULLABLE[dtype]


def _dtype(name: str, found: Sequence[Any]) -> Dtype:
    kinds = {type(cell) for cell in found}
    for dtype, allowed in KINDS.items():
        if kinds and kinds <= allowed:
            return dtype
    names = ", ".join(sorted(kind.__name__ for kind in kinds)) or "only missing values"
    raise PackagingError(
        f"column {name!r} holds {names}: a column holds numbers, booleans or strings, at least one"
    )


def _levels(values: Any) -> tuple[Scalar, ...] | None:
    """Return the categories of a column of pandas' category dtype."""
    if getattr(values.dtype, "name", "") != "category":
        return None
    return cells(values.cat.categories)


def _few(seen: Sequence[Any]) -> tuple[Scalar, ...]:
    distinct = set(seen)
    few = len(distinct) <= min(MAX_CATEGORIES, len(seen) // 2)
    return tuple(sorted(distinct)) if few else ()
