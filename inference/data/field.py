"""One feature of a row: its type, what training has seen of it, and how text is read as one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

Dtype: TypeAlias = Literal["number", "integer", "boolean", "string"]
Container: TypeAlias = Literal["array", "dataframe", "text"]
#: A missing value as pandas keeps it: float NaN, Python's None, pandas' NA or NaT.
Missing: TypeAlias = Literal["nan", "none", "NA", "NaT"]
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
        # NaN, in upper or lower case, is the one value that differs from itself.
        return None if value != value or text.strip() in MISSING else value


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
