"""Predictions as columns: their names and types are the same in every chunk of a job."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tridock.inference.batch.conversion import ARROW
from tridock.inference.data.signature import OutputSignature
from tridock.inference.errors import BatchError

if TYPE_CHECKING:
    from tridock.inference.model.model import Answers

    Named = tuple[tuple[str, pa.Array], ...]


@dataclass(frozen=True)
class Outcome:
    """The predictions of some rows.

    Attributes
    ----------
    labels : tuple of Array
        A column for each output.
    shares : tuple of tuple
        For each output that has probabilities, its classes' names, each with its column.
    several : bool
        Whether the model has several outputs.
    """

    labels: tuple[pa.Array, ...]
    shares: tuple[Named, ...]
    several: bool

    def columns(self) -> list[pa.Array]:
        """Return all columns, in the order of `names`."""
        return [*self.labels, *(cells for share in self.shares for _, cells in share)]


def of(answers: Answers, output: OutputSignature) -> Outcome:
    """Make columns of a model's answers."""
    several = bool(output.shape)
    labels = answers.labels.T if several else [answers.labels]
    shares = answers.shares
    listed = () if shares is None else shares if isinstance(shares, tuple) else (shares,)
    return Outcome(
        tuple(_label(label, output, answers.names) for label in labels),
        tuple(_named(*each) for each in zip(listed, _classes(output), strict=False)),
        several,
    )


def nothing(output: OutputSignature, *, probabilities: bool) -> Outcome:
    """Make the columns of no rows: they have names and types."""
    count = output.shape[0] if output.shape else 1
    groups = _classes(output) if probabilities else []
    return Outcome(
        (pa.array([], ARROW[output.dtype]),) * count,
        tuple(tuple((name, pa.array([], pa.float64())) for name in group) for group in groups),
        bool(output.shape),
    )


def names(output: OutputSignature, *, probabilities: bool) -> tuple[str, ...]:
    """Name the columns of a table's predictions.

    Raises
    ------
    BatchError
        If a prediction is no value and no list of values.
    """
    if len(output.shape) > 1:
        raise BatchError(f"predictions of shape {list(output.shape)} have no columns")
    several = range(output.shape[0]) if output.shape else None
    labels = ["prediction"] if several is None else [f"prediction_{index}" for index in several]
    if not probabilities:
        return tuple(labels)
    groups = _classes(output)
    many = len(groups) > 1
    shares = [
        f"probability_{index}_{label}" if many else f"probability_{label}"
        for index, group in enumerate(groups)
        for label in group
    ]
    return (*labels, *shares)


def _classes(output: OutputSignature) -> list[list[str]]:
    several = bool(output.classes) and isinstance(output.classes[0], tuple)
    groups = output.classes if several else (output.classes,)
    return [[_name(label) for label in group] for group in groups]


def _name(label: Any) -> str:
    return label if isinstance(label, str) else json.dumps(label)


def _named(shares: Any, classes: list[str]) -> Named:
    columns = np.asarray(shares, np.float64).T
    return tuple(zip(classes, (_numbers(column) for column in columns), strict=True))


def _label(labels: Any, output: OutputSignature, names: tuple[str, ...]) -> pa.Array:
    if names:  # without a string of Python for each row, which one thread at a time can make
        return pa.array(names).take(pa.array(labels))
    kind = ARROW[output.dtype]
    if output.dtype == "number":
        return _numbers(np.asarray(labels, np.float64))
    return pa.array(np.ascontiguousarray(labels), from_pandas=True).cast(kind)


def _numbers(values: Any) -> pa.Array:
    """Write NaN and the infinities, which JSON has no form for, as null, as the HTTP door does."""
    mask = ~np.isfinite(values)
    return pa.array(np.ascontiguousarray(values), pa.float64(), mask=mask if mask.any() else None)
