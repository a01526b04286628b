"""Encoders of categories as tables in the graph, read off the fitted encoder by asking it.

skl2onnx's own lose missing values and the categories that `handle_unknown` and `min_frequency`
put together.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tridock.inference.model.onnx_engine import MISSING_TEXTS
from tridock.inference.packaging.compile.draft import Draft
from tridock.inference.packaging.probe import UNSEEN
from tridock.inference.packaging.sample_column import missing_kind

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

#: More cells in a table would make the graph larger than the model.
MAX_CELLS = 5_000_000


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Add a fitted OneHotEncoder, OrdinalEncoder or TargetEncoder to a graph."""
    draft, model = Draft(scope, container), operator.raw_operator
    parts = []
    for index, (name, is_text) in enumerate(columns(draft, operator)):
        levels = list(model.categories_[index])
        table = _table(model, index, levels)
        if table.size > MAX_CELLS:
            raise NotImplementedError(f"an encoder of {len(levels)} categories is too large")
        position = _of_text(draft, name, levels) if is_text else _of_number(draft, name, levels)
        parts.append(draft.add("Gather", draft.constant(table), position))
    draft.add("Concat", *parts, out=operator.output_full_names[0], attributes={"axis": 1})


def shape(operator: Any) -> None:
    """Say that an encoder gives doubles, and how many for a row."""
    from skl2onnx.common.data_types import DoubleTensorType

    model = operator.raw_operator
    rows = operator.inputs[0].get_first_dimension()
    width = sum(_widths(model))
    operator.outputs[0].type = DoubleTensorType([rows, width])


def columns(draft: Draft, operator: Any) -> Iterator[tuple[str, bool]]:
    """Yield an operator's inputs column by column: a name, and whether it holds strings."""
    for given in operator.inputs:
        is_text = type(given.type).__name__ == "StringTensorType"
        width = given.type.shape[1]
        if width == 1:
            yield given.full_name, is_text
            continue
        for index in range(width):
            chosen = draft.constant(np.array([index]))
            yield draft.add("Gather", given.full_name, chosen, attributes={"axis": 1}), is_text


def text(level: Any) -> str:
    """Return what a category is fed to a graph as."""
    kind = missing_kind(level)
    return MISSING_TEXTS[kind] if kind else str(level)


def _of_text(draft: Draft, name: str, levels: Sequence[Any]) -> str:
    """Return each row's position among the categories; one beyond the last for an unknown one."""
    flat = draft.add("Reshape", name, draft.constant(np.array([-1])))
    known = {
        "keys_strings": [text(level) for level in levels],
        "values_int64s": list(range(len(levels))),
        "default_int64": len(levels),
    }
    return draft.add("LabelEncoder", flat, attributes=known)


def _of_number(draft: Draft, name: str, levels: Sequence[Any]) -> str:
    numbers = np.array([np.nan if missing_kind(level) else float(level) for level in levels])
    value = draft.cast(name, "DOUBLE")
    missing = draft.add("IsNaN", value)
    rows = []
    for number in numbers:
        same = draft.add("Equal", value, draft.constant(np.array([[number]])))
        rows.append(missing if np.isnan(number) else same)
    always = draft.add("Or", missing, draft.add("Not", missing))
    marks = draft.add("Concat", *rows, always, attributes={"axis": 1})
    first = {"axis": 1, "keepdims": 0}
    return draft.add("ArgMax", draft.cast(marks, "FLOAT"), attributes=first)


def _table(model: Any, index: int, levels: Sequence[Any]) -> Array:
    """Return what the encoder makes of each category of a column, and last of an unknown one."""
    widths = _widths(model)
    start = sum(widths[:index])
    known = _asked(model, index, levels)[:, start : start + widths[index]]
    try:
        unknown = _asked(model, index, [_unknown(levels)])[:, start : start + widths[index]]
    except ValueError:  # The row check refuses it, as the encoder does.
        unknown = np.zeros((1, widths[index]))
    return np.concatenate([known, unknown]).astype(np.float64)


def _asked(model: Any, index: int, cells: Sequence[Any]) -> Array:
    import pandas as pd

    held: dict[Any, Any] = {}
    names = getattr(model, "feature_names_in_", range(len(model.categories_)))
    for position, (name, levels) in enumerate(zip(names, model.categories_, strict=True)):
        chosen = list(cells) if position == index else [levels[0]] * len(cells)
        dtype = levels.dtype if levels.dtype.kind in "biuf" else np.dtype(object)
        if dtype.kind in "biu" and any(isinstance(cell, float) for cell in chosen):
            dtype = np.dtype(float)
        held[name] = pd.Series(chosen, dtype=dtype)
    frame = pd.DataFrame(held)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoded = model.transform(
            frame if hasattr(model, "feature_names_in_") else frame.to_numpy()
        )
    return np.asarray(encoded.toarray() if hasattr(encoded, "toarray") else encoded)


def _unknown(levels: Sequence[Any]) -> Any:
    known = [level for level in levels if not missing_kind(level)]
    if known and isinstance(known[0], str):
        return UNSEEN
    return float(max(known, default=0)) + 1.5


def _widths(model: Any) -> list[int]:
    """Return the number of output columns of each input column."""
    many = len(model.categories_)
    if hasattr(model, "_n_features_outs"):
        return list(model._n_features_outs)
    several = getattr(model, "target_type_", "") == "multiclass"
    return [len(model.classes_) if several else 1] * many
