"""Questions to a fitted model: does it take a missing value, an unknown category, in this field."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inference import frame
from inference.column import native
from inference.errors import PackagingError
from inference.rows import RowCheck
from inference.sample import Sample
from inference.signature import Field, Scalar, Signature

#: A category that no training data has.
UNSEEN = "unseen-3f1c9a"


def signature(model: Any, sample: Sample) -> Signature:
    """Describe a model's rows by its sample, and by asking it.

    Parameters
    ----------
    model : estimator
        Fitted; asked to predict two rows per field.
    sample : Sample
        Rows that it can predict.

    Raises
    ------
    PackagingError
        If it cannot predict a row of the sample.
    """
    fields = sample.fields()
    if sample.container == "text":
        return Signature(fields, "text")
    lenient = tuple(replace(field, nullable=True, open=True) for field in fields)
    row = sample.row(_fullest(sample))
    probe = _Probe(model, RowCheck(lenient, sample.container), row)
    if error := probe.error(row):
        raise PackagingError(f"the model cannot predict a row of the sample: {error}")
    encoded = _encoded(model, sample.names)
    probed = [probe.field(index, field, encoded) for index, field in enumerate(fields)]
    levels = [_levels(field, sample.columns[index]) for index, field in enumerate(probed)]
    return Signature(tuple(levels), sample.container)


@dataclass(frozen=True)
class _Probe:
    model: Any
    check: RowCheck
    row: Sequence[Scalar | None]

    def error(self, row: Sequence[Scalar | None]) -> Exception | None:
        """Return what the model raises for `row`, whatever that is: it is the answer."""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                self.model.predict(frame.rows(self.check.table([row]), self.check.fields))
        except Exception as error:
            return error
        return None

    def accepts(self, index: int, cell: Scalar | None) -> bool:
        return self.error([*self.row[:index], cell, *self.row[index + 1 :]]) is None

    def field(self, index: int, field: Field, encoded: Mapping[str, tuple[Scalar, ...]]) -> Field:
        """Complete a field with what the model says of it and what its encoders have learnt."""
        learnt = encoded.get(field.name, ())
        known = tuple(dict.fromkeys(learnt or field.categories))
        takes_unseen = self.accepts(index, _unseen(field))
        return replace(
            field,
            categories=known if field.dtype == "string" or not takes_unseen else field.categories,
            nullable=self.accepts(index, None),
            open=takes_unseen or (field.dtype != "string" and not known),
        )


def _levels(field: Field, column: Sequence[Scalar | None]) -> Field:
    """Fall back on the sample's own values where a closed column shows no encoder."""
    if field.open or field.categories:
        return field
    return replace(field, categories=tuple(sorted({str(c) for c in column if c is not None})))


def _unseen(field: Field) -> Scalar:
    if field.dtype == "string":
        return UNSEEN
    if field.dtype == "boolean":
        return True
    low, high = field.minimum or 0, field.maximum or 0
    return int(high) + 1 if field.dtype == "integer" else high + (high - low) * 0.377 + 0.5


def _fullest(sample: Sample) -> int:
    missing = [sum(cell is None for cell in sample.row(index)) for index in range(len(sample))]
    return int(np.argmin(missing))


def _encoded(model: Any, names: Sequence[str]) -> dict[str, tuple[Scalar, ...]]:
    """Return the categories that the encoders which meet the raw columns were fitted on."""
    found: dict[str, tuple[Scalar, ...]] = {}
    for step in [step for _, step in getattr(model, "steps", [("", model)])]:
        learnt = getattr(step, "categories_", None)
        if isinstance(learnt, list) and len(learnt) == len(names):
            return {name: _values(values) for name, values in zip(names, learnt, strict=True)}
        if hasattr(step, "transformers_"):
            for _, transformer, columns in step.transformers_:
                found |= _encoded(transformer, _names(columns, names))
            return found
        if getattr(step, "n_features_in_", len(names)) != len(names):
            break
    return found


def _names(columns: Any, names: Sequence[str]) -> list[str]:
    """Translate a ColumnTransformer's columns (names, positions, a mask or a slice) to names."""
    if isinstance(columns, str):
        return [columns]
    if isinstance(columns, slice):
        return list(names[columns]) if not isinstance(columns.start, str) else []
    listed = list(np.atleast_1d(columns))
    if listed and isinstance(listed[0], bool | np.bool_):
        return [name for name, kept in zip(names, listed, strict=True) if kept]
    return [str(one) if isinstance(one, str) else names[int(one)] for one in listed]


def _values(values: Any) -> tuple[Scalar, ...]:
    return tuple(value for each in values if (value := native(each)) is not None)
