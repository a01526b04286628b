"""Signature of a model, as its bundle states it: its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tridock.inference.data.field import Container, Dtype, Field

if TYPE_CHECKING:
    from tridock.inference.data.row_validation import RowCheck
    from tridock.inference.data.table import Table

Task: TypeAlias = Literal["classification", "regression", "clustering", "outliers", "other"]
#: Members of a field that a manifest leaves out where they have their default.
LATER = {"missing_value": "nan", "frame_dtype": ""}


@dataclass(frozen=True)
class Signature:
    """The rows a model takes.

    Attributes
    ----------
    fields : tuple of Field
        In the order of the model's columns.
    container : str
        What the model is called with: ``"array"``, ``"dataframe"``, or ``"text"`` (a list of
        strings; one field).
    """

    fields: tuple[Field, ...]
    container: Container

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The fields' names, in order."""
        return tuple(field.name for field in self.fields)

    @cached_property
    def check(self) -> RowCheck:
        """The check of rows, made when the first ones come."""
        from tridock.inference.data.row_validation import RowCheck

        return RowCheck(self.fields, self.container)

    def rows(self, data: object) -> Table:
        """Check rows and return them as the model takes them: columns for a DataFrame's.

        Parameters
        ----------
        data : object
            A list of rows, each a list in the order of `fields` or an object with their names
            (bare values where there is one field); or a 2-D NumPy array, or a DataFrame.

        Raises
        ------
        InvalidInputError
            If anything does not fit; the message names row and field, and is short.
        """
        return self.check.table(data)

    def record(self) -> dict[str, Any]:
        """Return this as JSON-ready values."""
        return {
            "fields": tuple(map(_field_record, self.fields)),
            "container": self.container,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Signature:
        """Read what `record` wrote."""
        known = [Field(**_tuples(field, "categories")) for field in record["fields"]]
        return cls(tuple(known), record["container"])


@dataclass(frozen=True)
class OutputSignature:
    """Outputs of a model.

    Attributes
    ----------
    task : str
        ``"classification"``, ``"regression"``, ``"clustering"``, ``"outliers"`` or ``"other"``.
    dtype : str
        Type of one predicted value.
    classes : tuple
        Class labels in the order of the probabilities; one tuple per output where the model has
        several outputs with their own classes; empty where there are none.
    probabilities : bool
        Whether the model gives probabilities.
    shape : tuple of int
        Shape of one prediction: ``()`` for a value, ``(n,)`` for `n` outputs.
    """

    task: Task
    dtype: Dtype
    classes: tuple[Any, ...] = ()
    probabilities: bool = False
    shape: tuple[int, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return this as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> OutputSignature:
        """Read what `record` wrote."""
        names = {field.name for field in fields(cls)}
        if unknown := set(record) - names:
            raise TypeError(f"unknown output keys: {', '.join(sorted(unknown))}")
        classes = tuple(tuple(c) if isinstance(c, list) else c for c in record["classes"])
        return cls(**{**record, "classes": classes, "shape": tuple(record["shape"])})


def _field_record(field: Field) -> dict[str, Any]:
    """Leave out later members with their default: manifests made before keep their digest."""
    record = asdict(field)
    return {name: value for name, value in record.items() if LATER.get(name, ...) != value}


def _tuples(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {**record, key: tuple(record.get(key, ()))}
