"""`python -m tests.recorded FILE`: record all answers; `compare A B`: show what differs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.recorded import commands, servers
from tests.recorded.record import Record, differences, read, write


def main(words: list[str] | None = None) -> int:
    """Record to a file and return 0; or compare two and return 1 if they differ."""
    given = sys.argv[1:] if words is None else words
    if given[:1] == ["compare"]:
        return _compare(given[1:])
    parser = argparse.ArgumentParser(prog="python -m tests.recorded", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="one line for each answer")
    parser.add_argument("--only", choices=("servers", "commands"), help="record only these")
    options = parser.parse_args(given)
    # The folder's name has the same length in each run: lengths of answers depend on it.
    with tempfile.TemporaryDirectory(prefix="recorded-") as folder:
        count = write(_records(Path(folder), options.only), options.file)
    print(f"{count} answers in {options.file}")
    return 0


def _records(folder: Path, only: str | None) -> Iterator[Record]:
    servers.make_bundles(folder)
    if only != "commands":
        yield from servers.answers(folder)
    if only != "servers":
        yield from commands.answers(folder)


def _compare(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recorded compare")
    parser.add_argument("before", type=Path, metavar="A")
    parser.add_argument("after", type=Path, metavar="B")
    options = parser.parse_args(words)
    before, after = read(options.before), read(options.after)
    lines = list(differences(before, after))
    print("\n".join([*lines, f"{len(before)} and {len(after)} answers, {len(lines)} differences"]))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
