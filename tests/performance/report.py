"""The figures as Markdown: `docs/performance.md`."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.performance.aims import Cells, all_aims
from tests.performance.batch import Batch
from tests.performance.machine import Machine
from tests.performance.overload import Burden, Overload, Overloads
from tests.performance.record import Cell, Round
from tests.performance.servers import LIMIT, SERVERS

NEVER = "–"
WRITTEN = """Written by `make bench`; do not edit. Times and rates are those of one machine on
one day; what travels are the ratios."""
METHOD = """One core serves and another makes the load. Each request has one row; 64 rows are sent
in turn, over connections that wait for each answer. "The limit" is a bare ASGI app on uvicorn with
uvloop and httptools that parses the same JSON and answers a constant. It is loaded for a second
before and after every load, at the same number of connections, while the other server is paused:
"share" is good answers a second over the mean of these two. Every server's answers are compared
with scikit-learn's before and after. Every peer has its own environment from its own lock
(`tests/performance/peers/`), one worker, and the app its documentation teaches. Of ours, the
medians of three starts, and of three rounds at 32 connections."""


@dataclass(frozen=True)
class Run:
    """All that one run found.

    Attributes
    ----------
    titles : Mapping[str, str]
        The models, by name.
    cells : Mapping[(str, str), Cell]
        By server and model.
    """

    machine: Machine
    titles: Mapping[str, str]
    connections: tuple[int, ...]
    cells: Cells
    overloads: Overloads | None = None
    batch: Batch | None = None

    def of(self, model: str) -> list[Cell]:
        """Return the cells of a model, in the order of the servers."""
        found = (self.cells.get((server, model)) for server in SERVERS)
        return [cell for cell in found if cell]


def markdown(run: Run) -> str:
    """Write the whole report."""
    parts = [_beginning(run), _aims(run)]
    parts += [_model(run, name) for name in run.titles if run.of(name)]
    parts += [_costs(run), _noise(run)] if run.cells else []
    parts += [_overload(run.overloads)] if run.overloads else []
    parts += [_batch(run.batch)] if run.batch else []
    return "\n\n".join(part for part in parts if part) + "\n"


def _beginning(run: Run) -> str:
    return "\n\n".join(("# Performance", WRITTEN, run.machine.sentence(), METHOD))


def _aims(run: Run) -> str:
    if not run.cells and not run.overloads and not run.batch:
        return ""
    rows = [
        (aim.about, aim.wish, aim.figure, aim.verdict)
        for aim in all_aims(run.cells, run.overloads, run.batch)
    ]
    return "## Aims\n\n" + table(("what", "aim", "reached", ""), rows)


def _model(run: Run, name: str) -> str:
    heads = ["server"]
    for count in run.connections:
        heads += [f"c{count}: share", "req/s", "p50 ms", "p99 ms"]
    rows = [_limit_row(run, name), *(_row(cell, run.connections) for cell in run.of(name))]
    told = f"## {run.titles[name]}\n\nc1, c32 …: connections. "
    return (
        told
        + "Errors: refused or lost under load, and wrong answers.\n\n"
        + table((*heads, "errors"), rows)
    )


def _row(cell: Cell, connections: tuple[int, ...]) -> tuple[str, ...]:
    title = SERVERS[cell.server].title
    if cell.engine and cell.engine not in title.lower():
        title += f" (not compiled: {cell.engine})"
    if cell.failed:
        return (title, f"failed: {cell.failed}", *[NEVER] * (4 * len(connections) - 1), NEVER)
    figures = [figure for count in connections for figure in _figures(cell.at(count))]
    return (title, *figures, str(cell.bad + cell.wrong))


def _figures(one: Round | None) -> tuple[str, ...]:
    if one is None:
        return (NEVER,) * 4
    load = one.load
    return (f"{one.share:.3f}", f"{load.rate:,.0f}", _ms(load.p50_ms), _ms(load.p99_ms))


def _limit_row(run: Run, model: str) -> tuple[str, ...]:
    figures: list[str] = []
    for count in run.connections:
        loads = [
            load
            for cell in run.of(model)
            for each in cell.rounds
            for load in (each.before, each.after)
            if load.connections == count
        ]
        if not loads:
            figures += [NEVER] * 4
            continue
        middle = [
            statistics.median(getattr(load, name) for load in loads) for name in LIMIT_FIGURES
        ]
        figures += ["1", f"{middle[0]:,.0f}", _ms(middle[1]), _ms(middle[2])]
    return (LIMIT.title, *figures, "0")


LIMIT_FIGURES = ("rate", "p50_ms", "p99_ms")


def _costs(run: Run) -> str:
    """Write what each server takes before it answers anything: time, memory, disk."""
    heads = ["server", *(f"ready s, {name}" for name in run.titles)]
    heads += ["RSS MB", "PSS MB", "processes", "environment MB", "version"]
    rows = []
    for name, server in SERVERS.items():
        found = [run.cells.get((name, model)) for model in run.titles]
        good = [cell for cell in found if cell and not cell.failed and cell.memory]
        if good:
            ready = [f"{cell.ready:.2f}" if cell and cell.ready_s else NEVER for cell in found]
            rows.append((server.title, *ready, *_weights(good), good[0].version))
    told = "## Ready, memory, size\n\nReady: from the start of the process to the first right "
    told += "prediction. Memory: of all processes, after the loads, the largest of the models.\n\n"
    return told + table(heads, rows)


def _weights(cells: list[Cell]) -> tuple[str, ...]:
    memories = [cell.memory for cell in cells if cell.memory]
    return (
        f"{max(memory.rss for memory in memories):.0f}",
        f"{max(memory.pss for memory in memories):.0f}",
        str(max(memory.processes for memory in memories)),
        f"{cells[0].installed_mb:.0f}",
    )


def _noise(run: Run) -> str:
    """Tell how much the limit itself moved."""
    rows = []
    for count in run.connections:
        around = [
            each
            for cell in run.cells.values()
            for each in cell.rounds
            if each.load.connections == count
        ]
        rates = sorted(load.rate for each in around for load in (each.before, each.after))
        moved = sorted(abs(each.before.rate / each.after.rate - 1) for each in around)
        if rates:
            spread = f"{rates[0]:,.0f} – {statistics.median(rates):,.0f} – {rates[-1]:,.0f}"
            rows.append((str(count), str(len(rates)), spread, f"{statistics.median(moved):.1%}"))
    heads = ("connections", "times", "req/s: least, median, most", "before against after, median")
    return "## How much the limit itself moved\n\n" + table(heads, rows)


def _overload(found: Overloads) -> str:
    told = "## Overload\n\n"
    if found.failed:
        return f"{told}Failed: {found.failed}"
    heads = ("load", "sent", "200 req/s", "p50 ms", "p99 ms", "answers", "lost", "RSS MB")
    parts = []
    for case in found.cases:
        rows = [
            ("capacity, 32 connections", *_burden(case.capacity), f"{case.rss_before_mb:.0f}"),
            ("ten times", *_burden(case.overload), f"{case.rss_after_mb:.0f}"),
        ]
        told_of = f"{case.title}; ten times: {case.how}."
        parts.append(f"{told_of}\n\n{table(heads, rows)}\n\n{_against(case)}")
    if found.ending:
        parts.append(_ending(found))
    return told + "\n\n".join(parts)


def _against(case: Overload) -> str:
    rate = case.overload.rate / case.capacity.rate
    times = case.overload.p99_ms / case.capacity.p99_ms
    return (
        f"Of those accepted: {rate:.2f} of the rate at capacity, {times:.1f} times its p99; "
        f"{case.overload.share('429'):.0%} were refused with 429."
    )


def _burden(one: Burden) -> tuple[str, ...]:
    answers = ", ".join(f"{count} × {status}" for status, count in one.statuses.items())
    times = (_ms(one.p50_ms), _ms(one.p99_ms))
    return (str(one.sent), f"{one.rate:,.0f}", *times, answers, str(one.lost))


def _ending(found: Overloads) -> str:
    assert found.ending is not None
    one = found.ending
    answered = sum(one.burden.statuses.values())
    return (
        "SIGTERM in the middle of a load over 64 connections: "
        f"{one.burden.sent} requests accepted, {answered} answered, "
        f"{one.burden.lost} lost; it ended after {one.seconds:.1f} s with {one.exit_code}."
    )


def _batch(found: Batch) -> str:
    if found.failed:
        return f"## Batch\n\nFailed: {found.failed}"
    bare = ("the bare ONNX call on arrays in memory", *_pace(found.rows, found.bare_s), "1", NEVER)
    rows = [bare]
    for job in found.jobs:
        figures = (*_pace(found.rows, job.seconds), f"{found.share(job):.2f}", f"{job.peak_mb:.0f}")
        rows.append((f"`tridock batch`, Parquet to Parquet, {job.title}", *figures))
    heads = ("what", "s", "rows/s", "share", "peak PSS MB")
    told = f"## Batch\n\n{found.rows:,} rows of iris, all cores.\n\n{table(heads, rows)}"
    return told + (
        f"\n\nKilled (SIGKILL) after {found.killed_s:.1f} s and run again: {found.resumed_s:.1f} s "
        f"more, and {found.differing} rows differ from those of the job that nobody killed."
    )


def _pace(rows: int, seconds: float) -> tuple[str, str]:
    return f"{seconds:.1f}", f"{rows / seconds:,.0f}"


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table, numbers to the right."""
    names = list(heads)
    lines = ["| " + " | ".join(names) + " |", "|---|" + "--:|" * (len(names) - 1)]
    return "\n".join([*lines, *_lines(rows)])


def _lines(rows: Iterable[Iterable[str]]) -> Iterator[str]:
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
