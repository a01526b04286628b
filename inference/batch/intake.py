"""Rows of a chunk read and checked: columns for the model, and what is carried beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tridock.inference.batch import conversion
from tridock.inference.batch.chunk import Batch, Refused
from tridock.inference.batch.conversion import Converted
from tridock.inference.batch.plan import Plan

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Read:
    """A chunk's rows, not checked yet.

    Attributes
    ----------
    converted : tuple of Converted
        A column for each of the model's fields.
    carried : RecordBatch
        What is written beside the predictions.
    lines : ndarray
        The position of each row in its file, from 1.
    shown : callable
        Gives the row at an index, JSON-ready, for people to find and mend it.
    refused : tuple of Refused
        Rows that are not even rows.
    """

    converted: tuple[Converted, ...]
    carried: pa.RecordBatch
    lines: npt.NDArray[np.int64]
    shown: Callable[[int], Any]
    refused: tuple[Refused, ...] = ()


def checked(plan: Plan, read: Read) -> Batch:
    """Part the rows that fit from those that do not."""
    columns = [each.values for each in read.converted]
    wrong = np.zeros(len(read.lines), bool)
    for each in read.converted:
        if each.wrong is not None:
            wrong |= each.wrong
    if not wrong.any():
        return Batch(tuple(columns), read.carried, read.lines, read.refused)
    good = ~wrong
    bad = [_refused(plan, read, int(index)) for index in np.flatnonzero(wrong)]
    return Batch(
        tuple(column[good] for column in columns),
        read.carried.filter(pa.array(good)),
        read.lines[good],
        tuple(sorted([*read.refused, *bad], key=lambda each: each.line)),
    )


def carried(plan: Plan, columns: dict[str, pa.Array], rows: int) -> pa.RecordBatch:
    """Choose the columns that are written beside the predictions."""
    chosen = [columns[name] for name in plan.carried]
    if not chosen:
        # Arrow counts the rows of a batch by its columns.
        return pa.RecordBatch.from_arrays([pa.nulls(rows)], names=[""])
    return pa.RecordBatch.from_arrays(chosen, names=list(plan.carried))


def as_typed(plan: Plan, converted: Sequence[Converted]) -> dict[str, pa.Array]:
    """Return the model's columns as Arrow's, with null for a missing value."""
    return {
        field.name: _typed(field.dtype, each)
        for field, each in zip(plan.fields, converted, strict=True)
        if field.name in plan.carried
    }


def _typed(dtype: str, converted: Converted) -> pa.Array:
    kind = conversion.ARROW[dtype]
    values = converted.values
    if converted.wrong is not None and dtype in ("integer", "string"):
        values = np.where(converted.wrong, np.nan if values.dtype.kind == "f" else None, values)
    return pa.array(values, from_pandas=True).cast(kind)


def _refused(plan: Plan, read: Read, index: int) -> Refused:
    pairs = zip(plan.fields, read.converted, strict=True)
    field, cells = next(
        (field, each) for field, each in pairs if each.wrong is not None and each.wrong[index]
    )
    reason = conversion.reason(field, cells.cells(index))
    return Refused(int(read.lines[index]), reason, read.shown(index))
