"""One line per answer, and the comparison of two files of such lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Characters shown on each side of the first difference.
CONTEXT = 60


@dataclass(frozen=True)
class Record:
    """The answer to one request or command.

    Attributes
    ----------
    name : str
        Unique within a file.
    parts : Mapping[str, str]
        Status, headers and body; or exit code, standard output and standard error.
    """

    name: str
    parts: Mapping[str, str]

    def line(self) -> str:
        """Return the record as one line of JSON."""
        return json.dumps([self.name, dict(self.parts)], ensure_ascii=True)


def write(records: Iterable[Record], file: Path) -> int:
    """Write each record as soon as it is there, and return their number.

    Raises
    ------
    ValueError
        If two records have the same name.
    """
    names: set[str] = set()
    with file.open("w") as output:
        for record in records:
            if record.name in names:
                raise ValueError(f"two records are named {record.name!r}: rename one of them")
            names.add(record.name)
            output.write(f"{record.line()}\n")
            output.flush()
    return len(names)


def read(file: Path) -> dict[str, Record]:
    """Return the records of a file by name."""
    pairs = (json.loads(line) for line in file.read_text().splitlines())
    return {name: Record(name, parts) for name, parts in pairs}


def differences(before: Mapping[str, Record], after: Mapping[str, Record]) -> Iterator[str]:
    """Yield one line for each part that differs, in the order of the first file."""
    for name, record in before.items():
        if name not in after:
            yield f"{name}: only in the first file"
            continue
        yield from _of_parts(name, record.parts, after[name].parts)
    for name in after:
        if name not in before:
            yield f"{name}: only in the second file"


def _of_parts(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for part in dict.fromkeys([*before, *after]):
        first, second = before.get(part, ""), after.get(part, "")
        if first != second:
            old, new = _around(first, second)
            yield f"{name}: {part}\n  - {old!r}\n  + {new!r}"


def _around(first: str, second: str) -> tuple[str, str]:
    """Return both texts around their first difference."""
    pairs = zip(first, second, strict=False)
    place = next((index for index, (a, b) in enumerate(pairs) if a != b), None)
    place = min(len(first), len(second)) if place is None else place
    start, end = max(0, place - CONTEXT), place + CONTEXT
    return first[start:end], second[start:end]
