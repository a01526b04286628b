"""The fitted model behind its engine: checked rows in, answers that JSON can hold out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from tridock.inference.data.cells import finite
from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from tridock.inference.data.table import Table

    Array: TypeAlias = npt.NDArray[Any]
    #: Class probabilities, rows by classes; one array for each of several outputs, or None.
    Shares: TypeAlias = Array | tuple[Array, ...] | None

Names: TypeAlias = tuple[str, ...]


class Predict(Protocol):
    """A method of an engine."""

    def __call__(self, table: Table, *, probabilities: bool) -> tuple[Array, Shares]:
        """Return something for each row, and the classes' probabilities on request."""


class Engine(Protocol):
    """Engine that computes a model's predictions; safe to call from several threads."""

    @property
    def name(self) -> str:
        """``"onnx"``, or how the estimator is stored: ``"joblib"``, ``"skops"``."""

    def predict(self, table: Table, *, probabilities: bool) -> tuple[Array, Shares]:
        """Return one label per row, and the classes' probabilities on request.

        Raises
        ------
        InvalidInputError
            If the model refuses these values.
        ScoringError
            If the model fails in any other way.
        """


@runtime_checkable
class Coding(Engine, Protocol):
    """An engine that can tell classes by number: a string for each row takes its time."""

    @property
    def classes(self) -> Names:
        """The labels that `codes` counts in; empty if this model's labels have no numbers."""

    def codes(self, table: Table, *, probabilities: bool) -> tuple[Array, Shares]:
        """Do as `predict` does, and return the index of each label in `classes`."""


@dataclass(frozen=True)
class Answers:
    """Predictions for some rows, in order.

    Attributes
    ----------
    labels : ndarray
        One prediction per row: a value, or several for a model of several outputs.
    shares : ndarray, tuple of ndarray, or None
        Class probabilities, rows by classes; a tuple of them for several outputs; None if they
        were not requested.
    classes : tuple
        Names of the classes in `shares`; a tuple of such tuples for several outputs.
    names : tuple of str
        Where `labels` are indices, what of; empty where they are the predictions themselves.
    """

    labels: Array
    shares: Shares = None
    classes: tuple[Any, ...] = ()
    names: Names = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def part(self, start: int, stop: int) -> Answers:
        """Return the answers of the rows from `start` up to, and without, `stop`."""
        shares = self.shares
        if isinstance(shares, tuple):
            shares = tuple(share[start:stop] for share in shares)
        elif shares is not None:
            shares = shares[start:stop]
        return Answers(self.labels[start:stop], shares, self.classes, self.names)

    def values(self) -> list[Any]:
        """Return one JSON-ready value per row.

        With probabilities it is ``{"prediction": …, "probabilities": {class: share}}``; for
        several outputs, a list of such objects of shares.
        """
        predictions = jsonable(self.labels)
        if self.names:
            predictions = [self.names[index] for index in predictions]
        if self.shares is None:
            return predictions
        return [
            {"prediction": prediction, "probabilities": shares}
            for prediction, shares in zip(predictions, self.probabilities(), strict=True)
        ]

    def probabilities(self) -> list[Any]:
        """Return one object of class to share per row; a list of them for several outputs."""
        if self.shares is None:
            return []
        if not isinstance(self.shares, tuple):
            return _by_class(self.shares, self.classes)
        named = zip(self.shares, self.classes, strict=True)
        return [list(row) for row in zip(*(_by_class(*each) for each in named), strict=True)]


@dataclass(frozen=True)
class Model:
    """A model that answers in JSON-ready values; safe to ask from several threads.

    Attributes
    ----------
    runner : Engine
        What computes its predictions.
    signature : Signature
        The rows it takes.
    output : OutputSignature
        What it answers.
    """

    runner: Engine
    signature: Signature
    output: OutputSignature

    @property
    def engine(self) -> str:
        """Name what computes: ``"onnx"``, ``"joblib"`` or ``"skops"``."""
        return self.runner.name

    @cached_property
    def classes(self) -> tuple[Any, ...]:
        """The classes' names as JSON's members have them; a tuple for each of several outputs."""
        classes = self.output.classes
        if classes and isinstance(classes[0], tuple):
            return tuple(map(_names, classes))
        return _names(classes)

    def answers(self, table: Table, *, probabilities: bool = False) -> Answers:
        """Predict a checked table.

        Parameters
        ----------
        table : Table
            What `Signature.rows` gave, or several of it joined.
        probabilities : bool
            Whether to tell the classes' probabilities too.

        Raises
        ------
        InvalidInputError
            If the model refuses these values, or gives no probabilities.
        ScoringError
            If the model fails in any other way.
        """
        return self._answers(self.runner.predict, table, (), probabilities)

    def coded(self, table: Table, *, probabilities: bool = False) -> Answers:
        """Do as `answers` does, for many rows: with labels as indices where the engine can."""
        runner = self.runner
        if isinstance(runner, Coding) and runner.classes:
            return self._answers(runner.codes, table, runner.classes, probabilities)
        return self.answers(table, probabilities=probabilities)

    def _answers(
        self, predict: Predict, table: Table, names: Names, probabilities: bool
    ) -> Answers:
        if not probabilities:
            return Answers(predict(table, probabilities=False)[0], names=names)
        if not self.output.probabilities:
            raise InvalidInputError("this model gives no probabilities: ask without them")
        labels, shares = predict(table, probabilities=True)
        several = bool(self.classes) and isinstance(self.classes[0], tuple)
        if several != isinstance(shares, tuple):
            raise InvalidInputError("this model's probabilities are not those of its classes")
        return Answers(labels, shares, self.classes, names)

    def predict(self, table: Table) -> list[Any]:
        """Return one JSON-ready prediction per row of a checked table, in order."""
        return self.answers(table).values()


def jsonable(values: Any) -> list[Any]:
    """Convert predictions to a list of Python values that JSON can hold; NaN becomes None."""
    array = dense(values)
    if array.dtype.kind in "biuU" or (array.dtype.kind == "f" and np.isfinite(array).all()):
        return list(array.tolist())
    return [_plain(value) for value in array.tolist()]


def dense(values: Any) -> Array:
    """Return predictions in any form, a sparse matrix too, as an array."""
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)


def _plain(value: Any) -> Any:
    if type(value) is str:
        return value
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return finite(value)
    return value if value is None or isinstance(value, str | int) else str(value)


def _names(classes: tuple[Any, ...]) -> Names:
    return tuple(label if isinstance(label, str) else json.dumps(label) for label in classes)


def _by_class(shares: Array, names: Names) -> list[Any]:
    return [dict(zip(names, row, strict=True)) for row in jsonable(shares)]
