"""`make bench`: measure, print, and write `docs/performance.md`."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Iterable

from tests.performance import batch, load, overload
from tests.performance.contest import Plan, limit_of, measure, pinned
from tests.performance.cores import Cores
from tests.performance.errors import MeasuringError
from tests.performance.machine import ROOT, Machine
from tests.performance.models import MODELS, Model, make
from tests.performance.record import Cell, Store
from tests.performance.report import Run, markdown
from tests.performance.servers import OURS, SERVERS

BUILD = ROOT / "build" / "bench"
DOCUMENT = ROOT / "docs" / "performance.md"
PARTS = ("overload", "batch")
SIZES = (1, 32, 256)


def main(words: list[str] | None = None) -> int:
    """Measure what the command line asks for: 0 done, 1 ours failed somewhere, 2 usage."""
    given = _parser().parse_args(words)
    try:
        load.check()
        cores = Cores.chosen()
    except MeasuringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    # Servers that are measured end with us, also where a time limit around us ends us.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    bench = Bench(given, cores)
    try:
        bench.measure()
    finally:  # an interrupted run keeps what it has: ARGS=--resume goes on from there
        print(bench.report())
    _say(f"written to {bench.document.relative_to(ROOT)}; figures in {bench.store.folder}")
    return int(bench.has_failed)


class Bench:
    """One run.

    Parameters
    ----------
    given : Namespace
        The command line's options.
    cores : Cores
        Who runs where.
    """

    def __init__(self, given: argparse.Namespace, cores: Cores) -> None:
        self._given = given
        whole = not (given.only or given.models or given.connections != SIZES)
        self._whole = whole or given.resume or bool(given.again)
        self.document = DOCUMENT if self._whole else BUILD / "performance.md"
        self.store = Store(BUILD / ("full" if self._whole else "quick"))
        self._plan = Plan(
            given.connections,
            given.seconds,
            cores,
            time.monotonic() + 60 * given.minutes,
            BUILD / "scratch",
        )
        self._models: dict[str, Model] = {}

    def measure(self) -> None:
        """Measure all that is asked for; ours first, so that what time cuts off is theirs."""
        if not (self._given.resume or self._given.again):
            self.store.clear()
        if self.store.found("machine") is None:
            self.store.keep("machine", Machine.seen())
        shutil.rmtree(self._plan.scratch, ignore_errors=True)
        self._make_models()
        ours = [server.name for server in OURS]
        with pinned(self._plan.cores):
            self._contest(ours)
        self._parts()
        with pinned(self._plan.cores):
            self._contest([name for name in SERVERS if name not in ours])

    @property
    def has_failed(self) -> bool:
        """Whether one of ours has no figures; a peer that fails stands in the table."""
        cells = (self.store.cell(server.name, model) for server in OURS for model in MODELS)
        return any(cell.failed for cell in cells if cell)

    def report(self) -> str:
        """Write the document from all that is stored."""
        machine = Machine.read(self.store.found("machine") or {})
        cells = {
            (server, model): cell
            for server in SERVERS
            for model in MODELS
            if (cell := self.store.cell(server, model))
        }
        overloads, rows = self.store.found("overload"), self.store.found("batch")
        run = Run(
            machine,
            {name: MODELS[name][0] for name in MODELS if any(name == one for _, one in cells)},
            self._plan.connections,
            cells,
            overload.read(overloads) if overloads else None,
            batch.read(rows) if rows else None,
        )
        text = markdown(run)
        self.document.parent.mkdir(parents=True, exist_ok=True)
        self.document.write_text(text)
        return text

    def _make_models(self) -> None:
        needed = set(self._given.models or MODELS)
        if self._wanted("overload") or self._wanted("batch"):
            needed |= {"forest", "logistic"}
        for name in (name for name in MODELS if name in needed):
            _say(f"training {name}")
            self._models[name] = make(name, BUILD / "models")

    def _contest(self, servers: Iterable[str]) -> None:
        wanted = [name for name in servers if self._wanted(name)]
        for name in (name for name in self._given.models or MODELS if wanted):
            missing = [one for one in wanted if self._is_missing(one, name)]
            if missing:
                with limit_of(self._models[name], self._plan) as limit:
                    for one in missing:
                        cell = measure(SERVERS[one], self._models[name], limit, self._plan)
                        self.store.keep(f"{name}.{one}", cell)
                        _say(_line(cell))

    def _parts(self) -> None:
        scratch, cores = self._plan.scratch, self._plan.cores
        if self._wanted("overload") and self._part_is_missing("overload"):
            _say("overload")
            with pinned(cores):
                found = overload.measure(self._models, scratch / "overload", cores)
            self.store.keep("overload", found)
        if self._wanted("batch") and self._part_is_missing("batch"):
            _say("batch")
            rows = batch.measure(self._models["logistic"], BUILD / "batch", self._given.rows)
            self.store.keep("batch", rows)

    def _wanted(self, name: str) -> bool:
        return name in self._given.only if self._given.only else True

    def _is_missing(self, server: str, model: str) -> bool:
        kept = self.store.cell(server, model)
        return kept is None or bool(kept.failed) or server in self._given.again

    def _part_is_missing(self, part: str) -> bool:
        kept = self.store.found(part)
        return kept is None or bool(kept["failed"]) or part in self._given.again


def _line(cell: Cell) -> str:
    if cell.failed:
        return f"{cell.model} {cell.server}: failed: {cell.failed}"
    shares = ", ".join(
        f"c{each.load.connections} {each.share:.3f} ({each.load.rate:.0f}/s)"
        for count in sorted({each.load.connections for each in cell.rounds})
        if (each := cell.at(count))
    )
    memory = f"{cell.memory.rss:.0f} MB" if cell.memory else ""
    return f"{cell.model} {cell.server}: {shares}; ready {cell.ready:.2f} s, {memory}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    add = parser.add_argument
    names, parts = ", ".join(SERVERS), ", ".join(PARTS)
    add("--only", type=_names, default=[], metavar="NAME,…", help=f"of {names}; {parts}")
    add("--models", type=_models, default=[], metavar="NAME,…", help=f"of {', '.join(MODELS)}")
    add("--connections", type=_numbers, default=SIZES, metavar="N,…", help="default 1,32,256")
    add("--seconds", type=int, default=2, help="of each load, slow servers longer (default 2)")
    add("--minutes", type=float, default=20, help="begin nothing after so many (default 20)")
    add("--rows", type=int, default=batch.ROWS, help="of the batch job (default 10 million)")
    add("--resume", action="store_true", help="keep the last full run's figures, measure the rest")
    add("--again", type=_names, default=[], metavar="NAME,…", help="as --resume, but these anew")
    return parser


def _names(text: str) -> list[str]:
    return _known(text, (*SERVERS, *PARTS))


def _models(text: str) -> list[str]:
    return _known(text, tuple(MODELS))


def _known(text: str, known: tuple[str, ...]) -> list[str]:
    names = text.split(",")
    if strange := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{strange[0]!r} is none of {', '.join(known)}")
    return names


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(","))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
