"""Plan of a job: fixed when it begins, the same in every process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tridock.inference.batch import outcome
from tridock.inference.batch.files import File, Format
from tridock.inference.data.field import Field
from tridock.inference.data.signature import OutputSignature, Signature


@dataclass(frozen=True)
class Header:
    """Content of a text file before its first row.

    Attributes
    ----------
    names : tuple of str
        The columns, in the file's order.
    start, lines : int
        Bytes and lines before the first row.
    """

    names: tuple[str, ...]
    start: int = 0
    lines: int = 0


@dataclass(frozen=True)
class Plan:
    """Rules by which rows are read, checked and written.

    Attributes
    ----------
    inputs : tuple of File
        What is read, in order.
    output : File
        What is written.
    headers : tuple of Header
        Of each of the inputs.
    carried : tuple of str
        Those that are written beside the predictions, in order.
    signature : Signature
        What the model takes.
    answers : OutputSignature
        What it answers.
    probabilities : bool
        Whether they are written too.
    """

    inputs: tuple[File, ...]
    output: File
    headers: tuple[Header, ...]
    carried: tuple[str, ...]
    signature: Signature
    answers: OutputSignature
    probabilities: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The input's columns, in the order of its first file."""
        return self.headers[0].names

    @property
    def reads(self) -> Format:
        """The input's format."""
        return self.inputs[0].format

    @property
    def writes(self) -> Format:
        """The output's format."""
        return self.output.format

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns that each row holds for the model."""
        return self.signature.fields

    @cached_property
    def known(self) -> frozenset[str]:
        """Every name a row may have where all rows have the same."""
        return frozenset(self.columns) | frozenset(self.signature.names)

    @property
    def carries_all(self) -> bool:
        """True if nothing of a row is left out."""
        return self.carried == self.columns

    @property
    def whole(self) -> bool:
        """True if a row stays the JSON object it is, and the prediction is added to it."""
        return self.reads is self.writes is Format.LINES

    @property
    def added(self) -> tuple[str, ...]:
        """The names under which predictions are written."""
        if self.writes is Format.LINES:
            return ("prediction", "probabilities") if self.probabilities else ("prediction",)
        return outcome.names(self.answers, probabilities=self.probabilities)
