"""A chunk: the rows that are read, checked, predicted and written in one go."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Position:
    """A place between two rows of the input.

    Attributes
    ----------
    file : int
        Which of the input's files, from 0.
    offset : int
        Bytes of its uncompressed text before the place; rows of a Parquet file.
    line : int
        Lines before the place; rows of a Parquet file.
    """

    file: int = 0
    offset: int = 0
    line: int = 0

    def record(self) -> dict[str, int]:
        """Return this as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class Chunk:
    """Some consecutive rows of one file, as they stand there.

    Attributes
    ----------
    start, end : Position
        Before its first row, and after its last one.
    content : bytes or RecordBatch
        Whole lines of text, or rows of a Parquet file.
    """

    start: Position
    end: Position
    content: Any


@dataclass(frozen=True)
class Refused:
    """A row that does not fit.

    Attributes
    ----------
    line : int
        Its position in its file, from 1; for a Parquet file its row's number, from 1.
    reason : str
        What is wrong with it.
    row : object
        The row, JSON-ready: as text, or by its columns' names.
    """

    line: int
    reason: str
    row: Any


@dataclass(frozen=True)
class Batch:
    """A chunk's rows once they are read and checked.

    Attributes
    ----------
    columns : tuple of ndarray
        A column for each of the model's fields, of the rows that fit.
    carried : RecordBatch
        What is written beside their predictions, row for row.
    lines : ndarray
        The position of each in its file, from 1.
    refused : tuple of Refused
        The rows that do not fit, in the file's order.
    """

    columns: tuple[Any, ...]
    carried: pa.RecordBatch
    lines: Any
    refused: tuple[Refused, ...] = ()
