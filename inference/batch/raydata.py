"""The same job on Ray Data: every input file is a job of its own, on any machine that is free.

All machines must reach the files and the bundle under the same paths. The output is a folder with
one part for each input file. A part is written as any output is, so a killed part goes on where it
was, and a part that is complete is not made again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tridock.inference import score
from tridock.inference.batch import journal
from tridock.inference.batch.bar import progress
from tridock.inference.batch.chunk import Position
from tridock.inference.batch.files import File, Format
from tridock.inference.batch.job import Job, Progress
from tridock.inference.batch.journal import Mark
from tridock.inference.batch.plan import Plan
from tridock.inference.batch.planning import partial
from tridock.inference.batch.reader import Reader
from tridock.inference.batch.scorer import Scorer, Threads
from tridock.inference.errors import BadRowError, BatchError, InferenceError

#: Ray takes no path to this checkout by itself.
ROOT = Path(__file__).absolute().parents[3]


@dataclass(frozen=True)
class Spread:
    """A job over several files, to be spread over machines.

    Attributes
    ----------
    plan : Plan
        How the whole input is read, carried and written; its output names the folder.
    bundle : Path
        The bundle's directory, the same everywhere.
    chunk : int
        Rows at a time.
    errors : bool
        Whether rows that do not fit are written beside the parts, not stopped at.
    """

    plan: Plan
    bundle: Path
    chunk: int
    errors: bool

    def part(self, index: int) -> Path:
        """Return where the part of one input file is made; its name keeps the input's order."""
        name = self.plan.output.path.name
        suffixes = name[name.index(".") :] if "." in name else ""
        return partial(self.plan.output.path) / f"part-{index:05}{suffixes}"

    def job(self, index: int, *, digest: str, engine: str) -> Job:
        """Return the job of one input file."""
        # The rows of JSON Lines have the names of the very first one.
        header = self.plan.headers[0 if self.plan.reads is Format.LINES else index]
        made = replace(
            self.plan,
            inputs=(self.plan.inputs[index],),
            headers=(header,),
            output=File.of(self.part(index)),
        )
        errors = self.part(index).with_name(f"errors-{index:05}.jsonl") if self.errors else None
        return Job(made, Reader(made, self.chunk), digest, engine, errors)


class Worker:
    """One process of a Ray cluster, with the model in its memory.

    Parameters
    ----------
    spread : Spread
        What is to be done.
    """

    def __init__(self, spread: Spread) -> None:
        score.init(spread.bundle)
        loaded = score.loaded()
        if loaded is None or loaded.model is None:
            raise BatchError("the bundle has no model")
        self._spread = spread
        self._model = loaded.model
        self._digest = loaded.bundle.digest

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Do the jobs of some input files; an error is returned, since Ray would try again."""
        done = [self._done(int(index)) for index in batch["index"]]
        return {name: [each[name] for each in done] for name in ("rows", "refused", "failed")}

    def _done(self, index: int) -> dict[str, Any]:
        try:
            engine = self._model.engine
            job = self._spread.job(index, digest=self._digest, engine=engine)
            with Threads(Scorer.of(job.plan, self._model), 1) as threads:
                mark = job.run(threads, Silence())
        except InferenceError as error:
            return {"rows": 0, "refused": 0, "failed": str(error)}
        note = self._spread.part(index).with_suffix(".done")
        note.write_text(f"{mark.rows} {mark.refused}")
        return {"rows": mark.rows, "refused": mark.refused, "failed": ""}


class Silence:
    """Reports nothing: the parts are counted when they are complete."""

    def show(self, mark: Mark, share: float) -> None:
        """See `Progress.show`."""


def run(spread: Spread, digest: str, errors: Path | None, workers: int | None) -> Mark:
    """Do a job on the Ray cluster that ``RAY_ADDRESS`` names, or on one on this machine.

    Parameters
    ----------
    digest : str
        The bundle's.
    errors : Path or None
        Where rows that do not fit are put together; None to stop at the first.
    workers : int or None
        Processes at the same time; by default one for each processor of the cluster.

    Raises
    ------
    BadRowError
        If a part failed; the message is the part's own.
    """
    ray = _cluster()
    folder = partial(spread.plan.output.path)
    count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    with journal.opened(folder, _identity(spread, digest)) as log, progress() as shown:
        if not log.mark.complete:
            waiting = [index for index in _indices(spread) if not _is_done(spread, index)]
            _follow(spread, _results(ray, spread, waiting, min(count, len(waiting))), shown)
            _gather(folder, errors)
            log.commit(_sum(spread))
        mark = log.mark
    _finish(spread, folder)
    return mark


def _cluster() -> Any:
    import ray

    where = {"env_vars": {"PYTHONPATH": str(ROOT)}}
    try:
        ray.init(ignore_reinit_error=True, log_to_driver=False, runtime_env=where)
    except Exception as error:
        raise BatchError(f"no Ray cluster can be reached or started: {error}") from error
    return ray


def _results(ray: Any, spread: Spread, waiting: Sequence[int], workers: int) -> Iterable[Any]:
    if not waiting:
        return ()
    items = ray.data.from_items(
        [{"index": index} for index in waiting], override_num_blocks=len(waiting)
    )
    done = items.map_batches(
        Worker, batch_size=1, concurrency=workers, num_cpus=1, fn_constructor_args=(spread,)
    )
    results: Iterable[Any] = done.iter_rows()
    return results


def _follow(spread: Spread, results: Iterable[Mapping[str, Any]], shown: Progress) -> None:
    for result in results:
        if result["failed"]:
            raise BadRowError(result["failed"])
        finished = sum(_is_done(spread, index) for index in _indices(spread))
        shown.show(_sum(spread), finished / len(spread.plan.inputs))


def _sum(spread: Spread) -> Mark:
    counts = [_counts(spread, index) for index in _indices(spread) if _is_done(spread, index)]
    rows, refused = (sum(each) for each in zip(*counts, strict=True)) if counts else (0, 0)
    return Mark(Position(len(counts)), rows, refused, complete=True)


def _counts(spread: Spread, index: int) -> tuple[int, int]:
    rows, refused = spread.part(index).with_suffix(".done").read_text().split()
    return int(rows), int(refused)


def _gather(folder: Path, errors: Path | None) -> None:
    """Put the rows that did not fit together, in the input's order."""
    if not errors:
        return
    made = folder / journal.ERRORS
    with made.open("wb") as whole:
        for file in _error_files(folder):
            with file.open("rb") as part:
                shutil.copyfileobj(part, whole)
        whole.flush()
        os.fsync(whole.fileno())
    made.replace(errors)
    made.touch()


def _finish(spread: Spread, folder: Path) -> None:
    """Put the parts into their place at once; what is beside them goes away first."""
    beside = [*_error_files(folder), *folder.glob("*.done")]
    for each in (*beside, *(folder / name for name in journal.GROWING)):
        each.unlink(missing_ok=True)
    (folder / journal.JOURNAL).unlink()
    output = spread.plan.output.path
    if output.is_dir():
        shutil.rmtree(output)
    folder.replace(output)
    journal.sync(output.parent)


def _error_files(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("errors-*.jsonl"))


def _identity(spread: Spread, digest: str) -> dict[str, Any]:
    return {
        "input": [file.identity() for file in spread.plan.inputs],
        "bundle": digest,
        "columns": list(spread.plan.carried),
        "probabilities": spread.plan.probabilities,
        "chunk": spread.chunk,
    }


def _indices(spread: Spread) -> range:
    return range(len(spread.plan.inputs))


def _is_done(spread: Spread, index: int) -> bool:
    return spread.part(index).with_suffix(".done").exists()
