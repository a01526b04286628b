"""The aims, each with what this run reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.performance.batch import Batch
from tests.performance.overload import Overloads
from tests.performance.record import Cell

#: One row per request, as the aims are stated.
CONNECTIONS = 32
PEERS = ("mlserver", "litserve", "bentoml", "azmlinfsrv")

Cells = Mapping[tuple[str, str], Cell]


@dataclass(frozen=True)
class Aim:
    """What was wished for, and what came.

    Attributes
    ----------
    wished : float
        At least so much; where `at_most`, at most so much.
    reached : float or None
        None where it was not measured.
    """

    about: str
    wished: float
    reached: float | None
    unit: str = ""
    at_most: bool = False

    @property
    def verdict(self) -> str:
        """Tell whether it was reached."""
        if self.reached is None:
            return "not measured"
        good = self.reached <= self.wished if self.at_most else self.reached >= self.wished
        if good:
            return "reached"
        return f"missed: {self.reached / self.wished:.3g} of it" if self.wished else "missed"

    @property
    def wish(self) -> str:
        """The wish in words."""
        return f"{'≤' if self.at_most else '≥'} {self.wished:g}{self.unit}"

    @property
    def figure(self) -> str:
        """The figure in words."""
        return "–" if self.reached is None else f"{self.reached:.3g}{self.unit}"


def all_aims(cells: Cells, overloads: Overloads | None, batch: Batch | None) -> list[Aim]:
    """Hold every aim against the figures."""
    return [*_speed(cells), *_cost(cells), *_overload(overloads), *_batch(batch)]


def _speed(cells: Cells) -> Iterator[Aim]:
    shares = (("logistic", 0.8), ("forest", 0.6), ("loan", 0.5))
    for model, wished in shares:
        yield Aim(f"{model}, ONNX: share of the limit", wished, _share(cells, "tridock", model))
    for model, _ in shares:
        about = f"{model}, ONNX: p99 in multiples of the limit's"
        yield Aim(about, 2, _p99(cells, "tridock", model), at_most=True)
    best = max((_share(cells, peer, "logistic") or 0 for peer in PEERS), default=0)
    about = "logistic, ONNX: times the best of MLServer, LitServe, BentoML, azmlinfsrv"
    yield Aim(about, 12, _over(_share(cells, "tridock", "logistic"), best))
    naive = _share(cells, "fastapi", "logistic")
    about = "logistic, joblib: times FastAPI as tutorials write it"
    yield Aim(about, 6, _over(_share(cells, "tridock-joblib", "logistic"), naive))


def _cost(cells: Cells) -> Iterator[Aim]:
    for server, words, seconds, megabytes in (
        ("tridock", "ONNX", 0.6, 90),
        ("tridock-joblib", "joblib", 1.5, 140),
    ):
        found = [cell for (name, _), cell in cells.items() if name == server and not cell.failed]
        ready = max((cell.ready for cell in found), default=None)
        memory = max((cell.memory.rss for cell in found if cell.memory), default=None)
        iris = cells.get((server, "logistic"))
        about = f"{words}: seconds to the first right prediction"
        yield Aim(f"{about}, logistic", seconds, _of(iris, lambda cell: cell.ready), " s", True)
        yield Aim(f"{about}, slowest model", seconds, ready, " s", True)
        about = f"{words}: resident memory after load"
        yield Aim(f"{about}, logistic", megabytes, _of(iris, _rss), " MB", True)
        yield Aim(f"{about}, largest model", megabytes, memory, " MB", True)


def _overload(overloads: Overloads | None) -> Iterator[Aim]:
    for case in overloads.cases if overloads else ():
        what = f"overload, {case.title}"
        rate = case.overload.rate / case.capacity.rate
        yield Aim(f"{what}: accepted, share of capacity", 0.9, rate)
        grown = case.rss_after_mb / case.rss_before_mb
        yield Aim(f"{what}: memory after, share of before", 1.1, grown, at_most=True)
    if overloads and overloads.ending:
        lost = float(overloads.ending.burden.lost)
        yield Aim("SIGTERM under load: requests lost", 0, lost, at_most=True)


def _batch(batch: Batch | None) -> Iterator[Aim]:
    about = "batch: rows a second, share of the bare ONNX call"
    for job in batch.jobs if batch else ():
        yield Aim(f"{about}, {job.title}", 0.6, batch.share(job) if batch else None)
    if batch and batch.resumed_s:
        about = "batch killed and run again: rows that differ"
        yield Aim(about, 0, float(batch.differing), at_most=True)


def _share(cells: Cells, server: str, model: str) -> float | None:
    found = cells.get((server, model))
    at = found.at(CONNECTIONS) if found else None
    return at.share if at else None


def _p99(cells: Cells, server: str, model: str) -> float | None:
    found = cells.get((server, model))
    at = found.at(CONNECTIONS) if found else None
    return at.p99_times if at else None


def _of(cell: Cell | None, figure: Callable[[Cell], float | None]) -> float | None:
    return figure(cell) if cell and not cell.failed else None


def _rss(cell: Cell) -> float | None:
    return cell.memory.rss if cell.memory else None


def _over(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None
