"""What trials showed, kept on disk: an ordeal of hours goes on where it was ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.ordeal.arena import SERVICES
from tests.ordeal.points import Point
from tests.ordeal.table import Row
from tests.ordeal.trial import Result


@dataclass(frozen=True)
class Ledger:
    """The trials of one strategy on one target, a line each; the last of the same trial counts.

    Attributes
    ----------
    file : Path
        ``TARGET-STRATEGY.jsonl``.
    """

    file: Path

    def begin(self, *, calls: int, distinct: int) -> None:
        """Note how many calls a clean release made, and how many points those are."""
        self._append({"calls": calls, "distinct": distinct})

    def add(self, result: Result) -> None:
        """Note one trial."""
        said = result.said if result.is_bad else ""
        # `asdict` makes of a Counter one that counts its pairs.
        self._append({**asdict(result), "orphans": dict(result.orphans), "said": said})

    def done(self) -> set[str]:
        """Return the keys of the trials that need not be tried again."""
        return {each.key for each in self._results() if each.met and not each.is_bad}

    def row(self) -> Row:
        """Return what all trials showed."""
        stem = self.file.stem
        targets = (*SERVICES, stem.partition("-")[0])
        target = next(one for one in targets if stem.startswith(f"{one}-"))
        strategy = stem.removeprefix(f"{target}-")
        heads = [line for line in self._lines() if "calls" in line]
        row = Row(target, strategy, heads[-1]["calls"], heads[-1]["distinct"])
        for result in self._results():
            row.add(result)
        return row

    def _results(self) -> list[Result]:
        found = (_result(line) for line in self._lines() if "kind" in line)
        return list({each.key: each for each in found}.values())

    def _lines(self) -> Iterator[dict[str, Any]]:
        if self.file.exists():
            yield from map(json.loads, self.file.read_text().splitlines())

    def _append(self, line: dict[str, object]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")


def rows(folder: Path) -> list[Row]:
    """Return a row for each ledger in a folder."""
    return [Ledger(file).row() for file in sorted(folder.glob("*.jsonl"))]


def _result(line: dict[str, Any]) -> Result:
    return Result(**{**line, "point": Point(**line["point"]), "orphans": Counter(line["orphans"])})
