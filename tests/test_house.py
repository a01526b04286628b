"""The house's law on size and types, measured; `python -m tests.test_house` prints the numbers."""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.measures import words
from tests.measures.sources import ROOMS as PLAIN
from tests.measures.sources import sources

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("inference", "assurance", "training", "deploy", "emulators", "examples")
#: They take the place of moto's methods, which are called with these parameters.
FORCED = (
    "emulators/aws/sagemaker/endpoint_configs.py _create",
    "emulators/aws/sagemaker/models.py _create",
)
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


@dataclass(frozen=True)
class Function:
    """One function of ours: where it stands, its lines without docstring, and its types."""

    path: Path
    line: int
    name: str
    lines: int
    parameters: int
    typed: bool

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.name} ({self.lines} lines)"


@cache
def files() -> tuple[Path, ...]:
    """Every Python file of the rooms and the tests."""
    return tuple(path for room in (*ROOMS, "tests") for path in sorted((ROOT / room).rglob("*.py")))


@cache
def functions() -> tuple[Function, ...]:
    return tuple(found for path in files() for found in _functions(path))


def _functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _measure(node, path.relative_to(ROOT))


def _measure(node: ast.FunctionDef | ast.AsyncFunctionDef, path: Path) -> Function:
    own = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    named = [argument for argument in own if argument.arg not in ("self", "cls")]
    stars = [star for star in (node.args.vararg, node.args.kwarg) if star]
    return Function(
        path=path,
        line=node.lineno,
        name=node.name,
        lines=(node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node),
        parameters=len(named),
        typed=bool(node.returns) and all(argument.annotation for argument in named + stars),
    )


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(node) is None:
        return 0
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1


def of_the_rooms() -> list[Function]:
    return [function for function in functions() if function.path.parts[0] != "tests"]


def median() -> float:
    return statistics.median(function.lines for function in of_the_rooms())


def ninety_fifth() -> float:
    return statistics.quantiles((function.lines for function in of_the_rooms()), n=20)[-1]


def length(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_half_of_the_functions_have_at_most_eight_lines() -> None:
    assert median() <= 8


def test_nineteen_of_twenty_functions_have_at_most_thirty_lines() -> None:
    assert ninety_fifth() <= 30


def test_no_file_is_longer_than_400_lines() -> None:
    assert {path.name: length(path) for path in files() if length(path) > 400} == {}


def test_every_function_is_typed() -> None:
    assert [str(function) for function in functions() if not function.typed] == []


def test_no_function_takes_more_than_five_parameters() -> None:
    many = [function for function in of_the_rooms() if function.parameters > 5]
    assert [str(one) for one in many if f"{one.path} {one.name}" not in FORCED] == []


def test_no_module_is_named_for_nothing() -> None:
    assert [path for path in files() if path.stem in FORBIDDEN_NAMES] == []


@pytest.mark.parametrize("room", PLAIN)
def test_docstrings_and_comments_are_in_plain_words(room: str) -> None:
    """`tests/measures/words.py` has the lists: a word that is not to be used is added there."""
    rows = dict(words.rows_of(sources(room)))
    assert rows["docstrings"] == {}
    assert rows["comments"] == {}
    assert rows["summaries"] == {}


def main() -> None:
    """Print the numbers."""
    longest = max(files(), key=length)
    typed = sum(function.typed for function in functions()) / len(functions())
    sys.stdout.write(
        f"functions: {len(of_the_rooms())} in the rooms, {len(functions())} with the tests\n"
        f"lines of a function: median {median():g}, 95th percentile {ninety_fifth():g}, "
        f"longest {max(of_the_rooms(), key=lambda function: function.lines)}\n"
        f"longest file: {longest.relative_to(ROOT)}, {length(longest)} lines\n"
        f"typed functions: {typed:.1%}\n"
    )


if __name__ == "__main__":
    main()
