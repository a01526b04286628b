"""A chunk on its way through one worker: read, checked, predicted, written to bytes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from tridock.inference.batch import outcome, writing
from tridock.inference.batch.chunk import Batch, Chunk, Refused
from tridock.inference.batch.csvrows import CsvIntake
from tridock.inference.batch.files import Format
from tridock.inference.batch.jsonrows import LinesIntake
from tridock.inference.batch.parquetrows import ParquetIntake
from tridock.inference.batch.plan import Plan
from tridock.inference.data.row_validation import built
from tridock.inference.errors import InvalidInputError

if TYPE_CHECKING:
    from tridock.inference.data.table import Table
    from tridock.inference.model.model import Answers, Model


class Intake(Protocol):
    """Reads and checks the chunks of one format."""

    def batch(self, chunk: Chunk) -> Batch:
        """Read and check a chunk's rows."""


@dataclass(frozen=True)
class Written:
    """Bytes of a scored chunk.

    Attributes
    ----------
    body : bytes-like
        To be put after the chunk before.
    footer : bytes
        What a Parquet file says of it at its end.
    rows : int
        Predictions in it.
    refused : tuple of Refused
        Rows that have none.
    """

    body: Any
    footer: bytes
    rows: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True)
class Scorer:
    """Turns chunks into bytes of the output; the same chunk always into the same bytes.

    Attributes
    ----------
    plan : Plan
        What is read, carried and written.
    model : Model
        What predicts.
    intake : Intake
        What reads.
    """

    plan: Plan
    model: Model
    intake: Intake

    @classmethod
    def of(cls, plan: Plan, model: Model) -> Scorer:
        """Choose the intake that a plan's input wants."""
        return cls(plan, model, _INTAKES[plan.reads](plan))

    def written(self, chunk: Chunk) -> Written:
        """Read, check, predict and write a chunk.

        Raises
        ------
        ScoringError
            If the model fails.
        """
        batch = self.intake.batch(chunk)
        answered = self._answered(batch)
        if answered is None:
            return Written(b"", b"", 0, batch.refused)
        batch, answers = answered
        predicted = outcome.of(answers, self.plan.answers)
        body, end = writing.write(self.plan, batch.carried, predicted)
        body = writing.packed(self.plan, body)
        return Written(body, end, len(batch.lines), batch.refused)

    def head(self, empty: Chunk) -> Written:
        """Return the bytes before the first row; of Parquet, the types of the columns too.

        Parameters
        ----------
        empty : Chunk
            Without rows.
        """
        first = writing.head(self.plan)
        body, end = writing.packed(self.plan, first) if first else first, b""
        if self.plan.writes is Format.PARQUET:
            nothing = outcome.nothing(self.plan.answers, probabilities=self.plan.probabilities)
            _, end = writing.write(self.plan, self.intake.batch(empty).carried, nothing)
        return Written(body, end, 0, ())

    def _answered(self, batch: Batch) -> tuple[Batch, Answers] | None:
        if not len(batch.lines):
            return None
        table = self._table(batch)
        try:
            return batch, self._asked(table)
        except InvalidInputError:
            batch = self._sifted(batch, table)
        return (batch, self._asked(self._table(batch))) if len(batch.lines) else None

    def _table(self, batch: Batch) -> Table:
        signature = self.plan.signature
        return built(signature.container, batch.columns)

    def _asked(self, table: Table) -> Answers:
        return self.model.coded(table, probabilities=self.plan.probabilities)

    def _sifted(self, batch: Batch, table: Table) -> Batch:
        """Take out the rows that the model itself refuses."""
        reasons: dict[int, str] = {}
        self._search(table, 0, table.count, reasons)
        good = np.ones(len(batch.lines), bool)
        good[list(reasons)] = False
        refused = [self._refused(batch, index, reasons[index]) for index in sorted(reasons)]
        return Batch(
            tuple(column[good] for column in batch.columns),
            batch.carried.filter(pa.array(good)),
            batch.lines[good],
            tuple(sorted([*batch.refused, *refused], key=lambda each: each.line)),
        )

    def _search(self, table: Table, start: int, stop: int, reasons: dict[int, str]) -> None:
        """Halve until what is refused is a single row."""
        try:
            self._asked(table.part(start, stop))
        except InvalidInputError as error:
            if stop - start == 1:
                reasons[start] = str(error)
                return
            middle = (start + stop) // 2
            self._search(table, start, middle, reasons)
            self._search(table, middle, stop, reasons)

    def _refused(self, batch: Batch, index: int, reason: str) -> Refused:
        row = {
            field.name: each[index : index + 1].tolist()[0]
            for field, each in zip(self.plan.fields, batch.columns, strict=True)
        }
        return Refused(int(batch.lines[index]), reason, row)


_INTAKES: dict[Format, Callable[[Plan], Intake]] = {
    Format.CSV: CsvIntake,
    Format.LINES: LinesIntake,
    Format.PARQUET: ParquetIntake,
}


# Workers for chunks: threads that share one model; what is slow in it lets the others go on.


class Threads:
    """A few threads, each with a chunk at a time.

    Arrow and ONNX Runtime let go of the interpreter's lock while they work, and so do the loops of
    most scikit-learn models.

    Parameters
    ----------
    scorer : Scorer
        What they do.
    workers : int
        How many of them.
    """

    def __init__(self, scorer: Scorer, workers: int) -> None:
        self.workers = workers
        self.scorer = scorer
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="batch")

    def submit(self, chunk: Chunk) -> Future[Written]:
        """See `Scoring.submit`."""
        return self._pool.submit(self.scorer.written, chunk)

    def __enter__(self) -> Threads:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for chunks that are begun, and drop the others."""
        self._pool.shutdown(cancel_futures=True)
