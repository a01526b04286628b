"""What goes into a model and what comes out, as its bundle states it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from tridock.inference.data.row_validation import RowCheck
    from tridock.inference.data.table import Table

Dtype: TypeAlias = Literal["number", "integer", "boolean", "string"]
Container: TypeAlias = Literal["array", "dataframe", "text"]
Task: TypeAlias = Literal["classification", "regression", "clustering", "outliers", "other"]
#: A missing value as pandas keeps it: float NaN, Python's None, pandas' NA or NaT.
Missing: TypeAlias = Literal["nan", "none", "NA", "NaT"]
#: Members of a field that a manifest leaves out where they have their default.
LATER = {"missing_value": "nan", "frame_dtype": ""}
#: A value of a cell or a class label, as JSON knows it.
Scalar: TypeAlias = str | float | bool

#: What a CSV cell may say for a boolean, lower case.
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
#: What a CSV cell may say for a missing value: the words that pandas' `read_csv` takes for one.
MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN")
    + ("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
)


@dataclass(frozen=True)
class Field:
    """One feature of a row.

    Attributes
    ----------
    name : str
        Column name, or ``x0``, ``x1`` … where the training data had none.
    dtype : str
        ``"number"``, ``"integer"``, ``"boolean"`` or ``"string"``.
    minimum, maximum : float or None
        Range seen in training; None unless numeric. Values outside of it are accepted.
    categories : tuple
        Values seen in training, where they are few; empty for free text and for measures.
    nullable : bool
        Whether the fitted model takes a missing value here.
    open : bool
        Whether the fitted model takes values that are not among `categories`.
    categorical : bool
        Whether the training frame's column was of pandas' ``category`` dtype.
    single : bool
        Whether the training data kept this number in single precision; some models take no other.
    missing_value : str
        The missing value that the model was fitted on; what a null becomes in a column of objects.
    frame_dtype : str
        pandas dtype of the training frame's column where JSON values alone do not lead to it, such
        as ``"Int64"``, ``"string"`` or ``"object"``; empty otherwise.
    """

    name: str
    dtype: Dtype
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[Scalar, ...] = ()
    nullable: bool = False
    open: bool = True
    categorical: bool = False
    single: bool = False
    missing_value: Missing = "nan"
    frame_dtype: str = ""

    @cached_property
    def closed(self) -> frozenset[Scalar] | None:
        """The only values that are accepted, or None where any is."""
        return None if self.open or not self.categories else frozenset(self.categories)

    @cached_property
    def missing(self) -> frozenset[str]:
        """The words that mean a missing value in a CSV cell.

        Of a string field only where it can be missing, and those alone that are no category of
        its own; free text has none but the empty one.
        """
        if self.dtype != "string":
            return MISSING
        words = MISSING.difference(map(str, self.categories)) if self.categories else ()
        return frozenset(("", *words)) if self.nullable else frozenset()

    def parse(self, text: str) -> Scalar | None:
        """Read a CSV cell as this field's type.

        A cell that cannot be read comes back as it is, for the row check to name its row; one
        that means a missing value is None.
        """
        if text in self.missing:
            return None
        value = _PARSERS[self.dtype](text)
        if self.dtype == "string":
            return value
        # NaN, in whatever case it is written, is the one value that differs from itself.
        return None if value != value or text.strip() in MISSING else value


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
    def _check(self) -> RowCheck:
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
        return self._check.table(data)

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
    """What a model answers.

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


def _number(text: str) -> Scalar:
    try:
        return text if "_" in text else float(text)
    except ValueError:
        return text


def _integer(text: str) -> Scalar:
    try:
        return text if "_" in text else int(text)
    except ValueError:
        number = _number(text)
    whole = isinstance(number, float) and math.isfinite(number) and number.is_integer()
    return int(number) if whole else number


def _boolean(text: str) -> Scalar:
    return BOOLEANS.get(text.strip().lower(), text)


_PARSERS: dict[Dtype, Callable[[str], Scalar]] = {
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "string": str,
}
