"""JSON Lines: an object, or a list in the order of the model's fields, on each line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa

from tridock.inference.batch import intake
from tridock.inference.batch.chunk import Batch, Chunk, Position, Refused
from tridock.inference.batch.conversion import of_objects
from tridock.inference.batch.files import File
from tridock.inference.batch.intake import Read
from tridock.inference.batch.plan import Header, Plan
from tridock.inference.batch.records import Records
from tridock.inference.codec.body import dumps
from tridock.inference.data.cells import shown

if TYPE_CHECKING:
    import numpy.typing as npt

    Row = dict[str, Any]


def header(file: File, fields: tuple[str, ...]) -> Header:
    """Return the names in a file's first row; the fields' if it is a list or there is none."""
    chunk = next(Records(1, quoted=False).chunks(file, Position()), None)
    try:
        row = orjson.loads(chunk.content) if chunk else None
    except orjson.JSONDecodeError:
        row = None
    return Header(tuple(row) if isinstance(row, dict) else fields)


@dataclass(frozen=True)
class LinesIntake:
    """Reads chunks of JSON Lines.

    Attributes
    ----------
    plan : Plan
        What is read and carried.
    """

    plan: Plan

    def batch(self, chunk: Chunk) -> Batch:
        """Read and check a chunk's rows. A name that is absent is a missing value."""
        rows, lines, refused = self._rows(chunk)
        converted = tuple(
            of_objects(field, [row.get(field.name) for row in rows]) for field in self.plan.fields
        )
        kept = self._carried(rows, converted)
        read = Read(converted, kept, lines, rows.__getitem__, tuple(refused))
        return intake.checked(self.plan, read)

    def _rows(self, chunk: Chunk) -> tuple[list[Row], npt.NDArray[np.int64], list[Refused]]:
        rows, lines, refused = [], [], []
        texts = bytes(chunk.content).split(b"\n")
        for number, text in enumerate(texts, chunk.start.line + 1):
            if not text.strip():
                continue
            row = self._row(text)
            if isinstance(row, str):
                refused.append(Refused(number, row, text.decode(errors="replace")))
            else:
                rows.append(row)
                lines.append(number)
        return rows, np.array(lines, np.int64), refused

    def _row(self, text: bytes) -> Row | str:
        """Return a row by its names, or what is wrong with it."""
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return f"the line is not JSON: {error}"
        if isinstance(row, dict):
            return self._named(row)
        cells = row if isinstance(row, list) else [row]
        names = self.plan.signature.names
        if len(cells) != len(names):
            came = f"a list of {len(row)}" if isinstance(row, list) else shown(row)
            return f"expected an object, or a list of {len(names)} values, got {came}"
        return dict(zip(names, cells, strict=True))

    def _named(self, row: Row) -> Row | str:
        if self.plan.whole:
            taken = [name for name in self.plan.added if name in row and self._is_carried(name)]
            return f"the row has a {shown(taken[0])} already" if taken else row
        unknown = row.keys() - self.plan.known
        if unknown:
            return f"unknown name {shown(min(unknown))}: the first row had none of it"
        return row

    def _is_carried(self, name: str) -> bool:
        return self.plan.carries_all or name in self.plan.carried

    def _carried(self, rows: Sequence[Row], converted: Sequence[Any]) -> pa.RecordBatch:
        if self.plan.whole:
            texts = [self._opened(row) for row in rows]
            return pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], names=[""])
        fields = {field.name: field for field in self.plan.fields}
        extra = {
            name: pa.array([_text(row.get(name)) for row in rows], pa.string())
            for name in self.plan.carried
            if name not in fields
        }
        known = extra | intake.as_typed(self.plan, converted)
        return intake.carried(self.plan, known, len(rows))

    def _opened(self, row: Row) -> bytes:
        """Write a row's object without its end, ready to take one more name."""
        kept = row if self.plan.carries_all else {k: row[k] for k in self.plan.carried if k in row}
        text = dumps(kept)[:-1]
        return text + b"," if kept else text


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return dumps(value).decode()
