"""Print the measures of the code: `python -m tests.measures`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.measures import imports, requests, words
from tests.measures.imports import Plan
from tests.measures.sources import ROOMS, members, sizes, sources
from tests.measures.tracing import Way
from tests.recorded.servers import run_door

PARTS = ("sizes", "imports", "ways", "target", "words")


def main(given: list[str] | None = None) -> int:
    """Print the parts that the words name, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.measures", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--files", action="store_true", help="name the files of each way")
    options = parser.parse_args(given)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: name some of {PARTS}")
    for part in options.parts or PARTS:
        table = _ways(options.files) if part == "ways" else TABLES[part]()
        print("\n".join(_aligned([[str(cell) for cell in row] for row in table])), end="\n\n")
    return 0


def _sizes() -> Iterator[Sequence[object]]:
    yield "room", "files", "lines", "mean"
    for room, files, lines in sizes():
        yield room, files, lines, round(lines / files, 1)


def _imports() -> Iterator[Sequence[object]]:
    yield "imports", "boxes", "arrows", "floors", "circles"
    for room in ROOMS:
        yield _plan(f"{room}: all modules", imports.modules_of(room))
        yield _plan(f"{room}: what lies in it", imports.children_of((room,)))
        for package in imports.packages_of(room):
            yield _plan(f"  {'/'.join(package)}", imports.children_of(package))


def _plan(title: str, plan: Plan) -> Sequence[object]:
    circles = "; ".join(" ".join(circle) for circle in plan.circles) or "none"
    return title, plan.boxes, plan.arrows, plan.floors, circles


def _ways(with_files: bool) -> Iterator[Sequence[object]]:
    yield "way", "files", "hops", "pairs", "(pairs: different hops)"
    for title, way in _measured():
        yield title, len(way.files), way.hops, way.pairs
        yield from (("", "", "", "", file) for file in way.files if with_files)


def _measured() -> Iterator[tuple[str, Way]]:
    with tempfile.TemporaryDirectory(prefix="measured-") as name:
        folder = Path(name)
        for model in ("iris", "loan"):
            run_door(folder, f"tridock.examples.{model}.train", "--out", str(folder / model))
        second = ("--out", str(folder / "two"), "--C", "10", "--version", "2")
        run_door(folder, "tridock.examples.iris.train", *second)
        yield from requests.ways(folder)
        yield "release of a second version, local target", requests.release(folder)


def _target() -> Iterator[Sequence[object]]:
    own, whole = members("Target")
    yield "members of Target", own
    yield "the same with its bases'", whole
    for source in sources("deploy"):
        if source.path.name == "retry.py":
            yield f"lines of {source.path}", source.lines


def _words() -> Iterator[Sequence[object]]:
    yield "words", "in", "number", "which"
    for room in ROOMS:
        for kind, counts in words.rows_of(sources(room)):
            which = ", ".join(f"{word} {count}" for word, count in counts.most_common())
            yield room, kind, counts.total(), which


TABLES = {"sizes": _sizes, "imports": _imports, "target": _target, "words": _words}


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Yield the rows as lines: columns of words to the left, of numbers to the right."""
    columns = max(len(row) for row in rows)
    wide = [max((len(row[i]) for row in rows if i < len(row)), default=0) for i in range(columns)]
    for row in rows:
        cells = [
            cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width)
            for cell, width in zip(row, wide, strict=False)
        ]
        yield "  ".join(cells).rstrip()


if __name__ == "__main__":
    sys.exit(main())
