"""A batch job: read, score in parallel, write in order, note what is safe, go on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import orjson

from tridock.inference.batch import footer, journal
from tridock.inference.batch.chunk import Chunk, Refused
from tridock.inference.batch.files import Format
from tridock.inference.batch.journal import Journal, Mark
from tridock.inference.batch.plan import Plan
from tridock.inference.batch.planning import partial
from tridock.inference.batch.reader import Reader
from tridock.inference.batch.scorer import Scorer, Written
from tridock.inference.errors import BadRowError, BatchError

#: Bytes or seconds after which the output is made safe.
COMMIT_BYTES = 256 << 20
COMMIT_SECONDS = 5.0


class Scoring(Protocol):
    """Workers that turn chunks into bytes."""

    @property
    def scorer(self) -> Scorer:
        """Work of the processes."""

    @property
    def workers(self) -> int:
        """Number that work at a time."""

    def submit(self, chunk: Chunk) -> Future[Written]:
        """Begin with a chunk."""


class Progress(Protocol):
    """Receiver of a job's progress."""

    def show(self, mark: Mark, share: float) -> None:
        """Take note of the share of the input, from 0 to 1, that is written."""


@dataclass(frozen=True)
class Job:
    """A job with all that its output depends on.

    Attributes
    ----------
    plan : Plan
        What is read, carried and written.
    reader : Reader
        How it is cut into chunks.
    digest : str
        The bundle's.
    engine : str
        What computes the predictions.
    errors : Path or None
        Where rows that do not fit are written; None to stop at the first.
    pause : float
        Seconds after which what is written becomes safe: a kill costs no more work than that.
    """

    plan: Plan
    reader: Reader
    digest: str
    engine: str
    errors: Path | None = None
    pause: float = COMMIT_SECONDS

    def identity(self) -> dict[str, Any]:
        """Return all that the output's bytes depend on, JSON-ready."""
        return {
            "input": [file.identity() for file in self.plan.inputs],
            "bundle": self.digest,
            "engine": self.engine,
            "columns": list(self.plan.carried),
            "probabilities": self.plan.probabilities,
            "chunk": self.reader.rows,
            "pyarrow": metadata.version("pyarrow"),
        }

    def run(self, scoring: Scoring, progress: Progress) -> Mark:
        """Do the job, or what a killed run left of it, and put the output into its place.

        Raises
        ------
        BadRowError
            If a row does not fit and there is no file for such rows.
        ResumeError
            If the files beside the output belong to another job.
        BatchError
            If the output exists already, or another process writes it.
        """
        output = self.plan.output.path
        with journal.opened(partial(output), self.identity()) as log:
            if log.mark.refused and not self.errors:
                raise BatchError("rows were refused already: name the file for them by --errors")
            if not log.mark.complete:
                self._score(log, scoring, progress)
                self._complete(log)
            progress.show(log.mark, 1.0)
            log.finish(self._places(output))
            return log.mark

    def _score(self, log: Journal, scoring: Scoring, progress: Progress) -> None:
        if not log.begun:
            head = scoring.scorer.head(self.reader.empty())
            log.write(journal.OUTPUT, head.body)
            _note(log, 0, head.footer)
        mark, safe = log.mark, time.monotonic()
        try:
            for chunk, written in ordered(scoring, self.reader.chunks(mark.position)):
                self._keep(log, chunk, written)
                mark = _after(mark, chunk, written)
                progress.show(mark, self.reader.share(mark.position))
                if log.unsafe > COMMIT_BYTES or time.monotonic() > safe + self.pause:
                    log.commit(mark)
                    safe = time.monotonic()
        finally:
            # After any error, Ctrl-C too: the output so far is worth keeping.
            log.commit(mark)

    def _keep(self, log: Journal, chunk: Chunk, written: Written) -> None:
        if written.refused:
            log.write(journal.ERRORS, self._errors(chunk, written.refused))
        log.write(journal.OUTPUT, written.body)
        _note(log, len(written.body), written.footer)

    def _errors(self, chunk: Chunk, refused: tuple[Refused, ...]) -> bytes:
        file = self.plan.inputs[chunk.start.file].path
        if not self.errors:
            raise BadRowError(
                f"{file}, line {refused[0].line}: {refused[0].reason}. Mend it, or add --errors "
                "FILE to have such rows written there and go on"
            )
        return b"".join(
            _line({"file": str(file), "line": one.line, "error": one.reason, "row": one.row})
            for one in refused
        )

    def _complete(self, log: Journal) -> None:
        if self.plan.writes is Format.PARQUET:
            log.write(journal.OUTPUT, footer.joined(footer.parts(log.read(journal.FOOTERS))))
        log.commit(replace(log.mark, complete=True))

    def _places(self, output: Path) -> dict[str, Path]:
        places = {journal.OUTPUT: output}
        return places | {journal.ERRORS: self.errors} if self.errors else places


def ordered(scoring: Scoring, chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, Written]]:
    """Score chunks at the same time, and yield them in order; few are in memory at once."""
    waiting: deque[tuple[Chunk, Future[Written]]] = deque()
    try:
        for chunk in chunks:
            waiting.append((chunk, scoring.submit(chunk)))
            if len(waiting) > scoring.workers + 1:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def _note(log: Journal, size: int, end: bytes) -> None:
    if end:
        log.write(journal.FOOTERS, footer.noted(size, end))


def _line(record: dict[str, Any]) -> bytes:
    # A column's value may be of a type that JSON has no form for: a date, a decimal.
    return orjson.dumps(record, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _after(mark: Mark, chunk: Chunk, written: Written) -> Mark:
    return replace(
        mark,
        position=chunk.end,
        rows=mark.rows + written.rows,
        refused=mark.refused + len(written.refused),
    )
