"""The Python files of the rooms, parsed, and how long they are."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("inference", "deploy", "emulators", "assurance")


@dataclass(frozen=True)
class Source:
    """One file.

    Attributes
    ----------
    path : Path
        Relative to the checkout.
    text : str
        Its content.
    """

    path: Path
    text: str

    @property
    def module(self) -> tuple[str, ...]:
        """The module's name in parts, from the room on; a package's is its folder's."""
        parts = self.path.with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def lines(self) -> int:
        """Number of lines."""
        return len(self.text.splitlines())

    def tree(self) -> ast.Module:
        """Return the parsed file."""
        return _parsed(self)


@cache
def _parsed(source: Source) -> ast.Module:
    return ast.parse(source.text)


@cache
def sources(room: str) -> tuple[Source, ...]:
    """Return the files of a room, in order."""
    paths = sorted((ROOT / room).rglob("*.py"))
    return tuple(Source(path.relative_to(ROOT), path.read_text()) for path in paths)


def defining(room: str, name: str) -> tuple[Source, ast.ClassDef]:
    """Return the file of a room that defines a class of this name, and the class.

    Raises
    ------
    LookupError
        If there is none, or more than one.
    """
    classes = [
        (source, node)
        for source in sources(room)
        for node in source.tree().body
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    if len(classes) != 1:
        places = ", ".join(str(source.path) for source, _ in classes) or "no file"
        raise LookupError(f"class {name} of {room}/ is defined in {places}: one was expected")
    return classes[0]


def sizes() -> list[tuple[str, int, int]]:
    """Return each room's name, number of files and number of lines; the last is their sum."""
    rows = [(room, len(sources(room)), sum(s.lines for s in sources(room))) for room in ROOMS]
    return [*rows, ("all", sum(row[1] for row in rows), sum(row[2] for row in rows))]


def members(name: str) -> tuple[int, int]:
    """Return how many public members a class of deploy/ has: its own, and all with its bases'."""
    _, node = defining("deploy", name)
    own = _members(node)
    inherited = set(own)
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id != "Protocol":
            inherited |= _members(defining("deploy", base.id)[1])
    return len(own), len(inherited)


def _members(node: ast.ClassDef) -> set[str]:
    names = set()
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(statement.name)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
    return {name for name in names if not name.startswith("_")}
