"""CSV rows (RFC 4180): a header that names columns, or the model's fields in their order."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow

from tridock.inference.batch import intake
from tridock.inference.batch.chunk import Batch, Chunk, Position, Refused
from tridock.inference.batch.conversion import convert
from tridock.inference.batch.files import File, Format
from tridock.inference.batch.intake import Read
from tridock.inference.batch.plan import Header, Plan
from tridock.inference.batch.records import Records
from tridock.inference.codec.header import Positions, positions
from tridock.inference.data.cells import listing, shown
from tridock.inference.errors import FormatError

if TYPE_CHECKING:
    import numpy.typing as npt

UTF8_MARK = b"\xef\xbb\xbf"


@dataclass
class _Ragged:
    """Rows of another width than the header's, as Arrow reports them."""

    found: list[tuple[int, Any]] = field(default_factory=list)

    def __call__(self, row: Any) -> str:
        self.found.append((row.number, row))
        return "skip"


def header(file: File, fields: tuple[str, ...]) -> Header:
    """Read a file's header: its first line is one if a field's name is among its cells.

    Names match as those of a request's header do; a column is known by its field's name then.

    Raises
    ------
    FormatError
        If it lacks a field or names a column twice, or there is none and the first row is wider.
    """
    chunk = next(Records(1, quoted=True).chunks(file, Position()), None)
    first = bytes(chunk.content) if chunk else b""
    mark = len(UTF8_MARK) if first.startswith(UTF8_MARK) else 0
    cells = _cells(file, first[mark:])
    columns = positions(cells, fields)
    if not columns.places:
        return _without(file, cells, fields, mark)
    if columns.missing:
        raise FormatError(
            f"{file.path}: the header lacks {listing(map(shown, columns.missing))}: "
            f"it has {listing(map(shown, cells))}"
        )
    names = _renamed(cells, columns)
    if double := [*columns.repeated, *(name for name in names if names.count(name) > 1)]:
        raise FormatError(f"{file.path}: the header names {shown(double[0])} twice")
    return Header(names, len(first), first.count(b"\n"))


def _renamed(cells: list[str], columns: Positions) -> tuple[str, ...]:
    fields = {index: name for name, index in columns.places.items()}
    return tuple(fields.get(index, cell.strip()) for index, cell in enumerate(cells))


def _without(file: File, cells: list[str], fields: tuple[str, ...], mark: int) -> Header:
    if cells and len(cells) != len(fields):
        raise FormatError(
            f"{file.path}: the first line has {len(cells)} cells and none is the name of a field: "
            f"begin with a header that names {listing(map(shown, fields))}"
        )
    return Header(fields, mark, 0)


def _cells(file: File, line: bytes) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(line.decode(), newline="")))
    except UnicodeDecodeError as error:
        raise FormatError(f"{file.path} is not UTF-8: {error}") from error
    return rows[0] if rows else []


@dataclass(frozen=True)
class CsvIntake:
    """Reads chunks of CSV.

    Attributes
    ----------
    plan : Plan
        What is read and carried.
    """

    plan: Plan

    def batch(self, chunk: Chunk) -> Batch:
        """Read and check a chunk's rows."""
        text, lines, refused = _decodable(chunk)
        names = self.plan.headers[chunk.start.file].names
        ragged = _Ragged()
        table = _table(text, names, ragged)
        if len(table) + len(ragged.found) != len(lines):
            lines = _starts(text, chunk.start.line)
        wide, lines = _parted(ragged, lines, len(names))
        columns = {name: _one(table[name]) for name in names}
        converted = tuple(
            convert(field, columns[field.name], text=True) for field in self.plan.fields
        )
        if self.plan.writes is not Format.CSV:
            columns |= intake.as_typed(self.plan, converted)
        kept = intake.carried(self.plan, columns, len(lines))
        row = _Shown(columns)
        return intake.checked(self.plan, Read(converted, kept, lines, row, (*refused, *wide)))


@dataclass(frozen=True)
class _Shown:
    columns: dict[str, pa.Array]

    def __call__(self, index: int) -> dict[str, Any]:
        return {name: cells[index].as_py() for name, cells in self.columns.items()}


def _table(text: bytes, names: tuple[str, ...], ragged: _Ragged) -> pa.Table:
    # Text, all of it: an identifier such as 007 must leave as it came.
    return arrow.read_csv(
        pa.BufferReader(text),
        arrow.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
        arrow.ParseOptions(newlines_in_values=b'"' in text, invalid_row_handler=ragged),
        arrow.ConvertOptions(
            column_types={name: pa.string() for name in names}, strings_can_be_null=False
        ),
    )


def _one(cells: pa.ChunkedArray) -> pa.Array:
    return cells.chunk(0) if cells.num_chunks == 1 else pa.concat_arrays(cells.chunks)


def _decodable(chunk: Chunk) -> tuple[bytes, npt.NDArray[np.int64], list[Refused]]:
    """Blank lines that are not UTF-8; return the text, its lines' numbers, and those lines."""
    text = bytes(chunk.content)
    first = chunk.start.line + 1
    lines = np.arange(first, first + text.count(b"\n") + (not text.endswith(b"\n")))
    if text.isascii() or _is_utf8(text):
        return text, lines, []
    split = text.split(b"\n")
    refused = [
        Refused(number, "the line is not UTF-8", line.decode(errors="replace"))
        for number, line in enumerate(split, first)
        if not _is_utf8(line)
    ]
    for each in refused:
        split[each.line - first] = b""
    return b"\n".join(split), lines, refused


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parted(
    ragged: _Ragged, lines: npt.NDArray[np.int64], width: int
) -> tuple[list[Refused], npt.NDArray[np.int64]]:
    """Part the lines of rows of another width from the others."""
    if not ragged.found:
        return [], lines
    indices = [number - 1 for number, _ in ragged.found]
    refused = [
        Refused(
            int(lines[index]),
            f"expected {width} values as the header has names, got {row.actual_columns}",
            row.text,
        )
        for index, (_, row) in zip(indices, ragged.found, strict=True)
    ]
    return refused, np.delete(lines, indices)


def _starts(text: bytes, before: int) -> npt.NDArray[np.int64]:
    """Return the line each record begins on: some are empty, or hold line ends."""
    reader = csv.reader(io.StringIO(text.decode(), newline=""))
    starts, last = [], 0
    for row in reader:
        if row:
            starts.append(before + last + 1)
        last = reader.line_num
    return np.array(starts, np.int64)
