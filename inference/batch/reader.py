"""The input as one stream of chunks, from any place on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from tridock.inference.batch import parquetrows
from tridock.inference.batch.chunk import Chunk, Position
from tridock.inference.batch.files import Format
from tridock.inference.batch.parquetrows import Groups
from tridock.inference.batch.plan import Plan
from tridock.inference.batch.records import Records


@dataclass(frozen=True)
class Reader:
    """Reads a plan's files.

    Attributes
    ----------
    plan : Plan
        What is read.
    rows : int
        The most rows in a chunk.
    """

    plan: Plan
    rows: int

    def chunks(self, start: Position) -> Iterator[Chunk]:
        """Yield the chunks from a place on, over all files."""
        cut = self._cut()
        for index in range(start.file, len(self.plan.inputs)):
            place = start if index == start.file and start.offset else self._first(index)
            yield from cut.chunks(self.plan.inputs[index], place)

    @property
    def start(self) -> Position:
        """The place before the first row."""
        return self._first(0)

    def empty(self) -> Chunk:
        """Return a chunk without rows, of the input's columns."""
        place = Position(file=0)
        if self.plan.reads is Format.PARQUET:
            schema = parquetrows.schema(self.plan.inputs[0])
            return Chunk(place, place, pa.RecordBatch.from_pylist([], schema))
        return Chunk(place, place, b"\n")

    def share(self, place: Position) -> float:
        """Return the share of the input before a position, from 0 to 1; of gzip, an estimate."""
        sizes = [file.size for file in self.plan.inputs]
        done = sum(sizes[: place.file])
        if place.file < len(sizes):
            done += min(self._bytes(place), sizes[place.file])
        return done / max(1, sum(sizes))

    def _bytes(self, place: Position) -> int:
        file = self.plan.inputs[place.file]
        if file.format is Format.PARQUET:
            with parquetrows.read(file) as opened:
                return int(file.size * place.offset / max(1, opened.metadata.num_rows))
        return place.offset // (4 if file.gzipped else 1)

    def _first(self, index: int) -> Position:
        header = self.plan.headers[index]
        return replace(Position(index), offset=header.start, line=header.lines)

    def _cut(self) -> Records | Groups:
        plan = self.plan
        if plan.reads is Format.PARQUET:
            wanted = dict.fromkeys((*plan.signature.names, *plan.carried))
            return Groups(self.rows, tuple(wanted))
        return Records(self.rows, quoted=plan.reads is Format.CSV)
