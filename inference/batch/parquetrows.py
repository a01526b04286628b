"""Parquet: row groups read in slices, typed as they stand there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from tridock.inference.batch import intake
from tridock.inference.batch.chunk import Batch, Chunk, Position
from tridock.inference.batch.conversion import convert
from tridock.inference.batch.files import File
from tridock.inference.batch.intake import Read
from tridock.inference.batch.plan import Header, Plan
from tridock.inference.batch.records import CHUNK_BYTES
from tridock.inference.data.cells import listing, shown
from tridock.inference.errors import FormatError


@dataclass(frozen=True)
class Span:
    """Row groups that are read together.

    Attributes
    ----------
    groups : list of int
        Their indices.
    first, after : int
        The first row in them, and the first behind them.
    size : int
        Rows in a chunk of them.
    """

    groups: list[int]
    first: int
    after: int
    size: int


@dataclass(frozen=True)
class Groups:
    """A way to cut a Parquet file into chunks.

    Attributes
    ----------
    rows : int
        The most rows in a chunk.
    columns : tuple of str
        Those that are read.
    """

    rows: int
    columns: tuple[str, ...]

    def chunks(self, file: File, start: Position) -> Iterator[Chunk]:
        """Yield the chunks of a file from a row on; row groups that are small are read together."""
        with read(file) as opened:
            for span in self._spans(opened.metadata):
                if span.after > start.offset:
                    yield from self._cut(opened, span, start)

    def _cut(self, opened: parquet.ParquetFile, span: Span, start: Position) -> Iterator[Chunk]:
        here, size = span.first, span.size
        batches = opened.iter_batches(size, span.groups, list(self.columns), use_threads=False)
        for batch in _exactly(batches, size):
            after = here + batch.num_rows
            if here >= start.offset:
                place = Position(start.file, here, here)
                yield Chunk(place, Position(start.file, after, after), batch)
            here = after

    def _spans(self, metadata: Any) -> Iterator[Span]:
        """Put row groups together until they are a chunk or more."""
        groups: list[int] = []
        first = rows = size = 0
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            groups.append(index)
            rows += group.num_rows
            size += group.total_byte_size
            if rows >= self.rows or size >= CHUNK_BYTES or index + 1 == metadata.num_row_groups:
                row = max(1, size // max(1, rows))
                yield Span(groups, first, first + rows, max(1, min(self.rows, CHUNK_BYTES // row)))
                groups, first, rows, size = [], first + rows, 0, 0


def _exactly(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
    """Join batches that Arrow made smaller than requested: of long texts, or nested values."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= size:
            yield from _joined(waiting).to_batches(max_chunksize=size)
            waiting = []
    if waiting:
        yield from _joined(waiting).to_batches(max_chunksize=size)


def _joined(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches).combine_chunks()


def read(file: File) -> parquet.ParquetFile:
    """Open a file.

    Raises
    ------
    FormatError
        If it is not Parquet.
    """
    try:
        return parquet.ParquetFile(file.path, pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise FormatError(f"{file.path} is not a complete Parquet file: {error}") from error


def header(file: File, fields: tuple[str, ...]) -> Header:
    """Return the columns of a file.

    Raises
    ------
    FormatError
        If it is not Parquet, or lacks a field.
    """
    columns = schema(file)
    if missing := [name for name in fields if name not in columns.names]:
        raise FormatError(
            f"{file.path} has no column {listing(map(shown, missing))}: "
            f"it has {listing(map(shown, columns.names))}"
        )
    return Header(tuple(columns.names))


def schema(file: File) -> pa.Schema:
    """Return names and types of a file's columns."""
    with read(file) as opened:
        return opened.schema_arrow


@dataclass(frozen=True)
class ParquetIntake:
    """Reads chunks of Parquet files.

    Attributes
    ----------
    plan : Plan
        What is read and carried.
    """

    plan: Plan

    def batch(self, chunk: Chunk) -> Batch:
        """Read and check a chunk's rows."""
        rows = chunk.content
        converted = tuple(
            convert(field, rows.column(field.name), text=False) for field in self.plan.fields
        )
        columns = {name: rows.column(name) for name in self.plan.carried}
        kept = intake.carried(self.plan, columns, rows.num_rows)
        lines = np.arange(chunk.start.line + 1, chunk.end.line + 1)
        return intake.checked(self.plan, Read(converted, kept, lines, _Shown(rows)))


@dataclass(frozen=True)
class _Shown:
    rows: pa.RecordBatch

    def __call__(self, index: int) -> dict[str, Any]:
        row: dict[str, Any] = self.rows.slice(index, 1).to_pylist()[0]
        return row
