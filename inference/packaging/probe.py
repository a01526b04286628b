"""Questions to a fitted model: does it take a missing value, an unknown category, in this field."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tridock.inference.data import dataframe
from tridock.inference.data.field import Field, Scalar
from tridock.inference.data.row_validation import RowCheck
from tridock.inference.data.signature import Signature
from tridock.inference.errors import PackagingError
from tridock.inference.packaging import fitted_facts
from tridock.inference.packaging.sample import Sample

#: A category that no training data has.
UNSEEN = "unseen-3f1c9a"


def signature(model: Any, sample: Sample) -> Signature:
    """Describe a model's rows by its sample, and by asking it.

    Parameters
    ----------
    model : estimator
        Fitted; it predicts two rows per field.
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
    kinds = fitted_facts.missing(model, sample.names)
    fields = tuple(
        replace(field, missing_value=kinds.get(field.name, field.missing_value)) for field in fields
    )
    lenient = tuple(replace(field, nullable=True, open=True) for field in fields)
    row = sample.row(_fullest(sample))
    probe = _Probe(model, RowCheck(lenient, sample.container), row)
    if error := probe.error(row):
        raise PackagingError(f"the model cannot predict a row of the sample: {error}")
    encoded = fitted_facts.categories(model, sample.names)
    probed = [probe.field(index, field, encoded) for index, field in enumerate(fields)]
    levels = [_levels(field, sample.columns[index]) for index, field in enumerate(probed)]
    return Signature(tuple(levels), sample.container)


@dataclass(frozen=True)
class _Probe:
    model: Any
    check: RowCheck
    row: Sequence[Scalar | None]

    def error(self, row: Sequence[Scalar | None]) -> Exception | None:
        """Return the error that the model raises for `row`, of any kind: it is the answer."""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                self.model.predict(dataframe.rows(self.check.table([row]), self.check.fields))
        except Exception as error:
            return error
        return None

    def accepts(self, index: int, cell: Scalar | None) -> bool:
        return self.error([*self.row[:index], cell, *self.row[index + 1 :]]) is None

    def field(self, index: int, field: Field, encoded: Mapping[str, tuple[Scalar, ...]]) -> Field:
        """Complete a field with what the model says of it and what its encoders have learnt."""
        known = tuple(dict.fromkeys(encoded.get(field.name) or field.categories))
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
