"""Who imports whom inside a package, by the text alone: boxes, arrows, floors, circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.measures.sources import Source, sources

Name = tuple[str, ...]
Arrow = tuple[Name, Name]
#: The name before the rooms. Imports for types alone count, too: a reader follows them as well.
PACKAGE = "tridock"


@dataclass(frozen=True)
class Plan:
    """The boxes of a package and the arrows among them.

    Attributes
    ----------
    title : str
        The package.
    boxes : int
        Modules, or modules and sub-packages that lie in it directly.
    arrows : int
        Pairs of boxes of which one imports the other.
    floors : int
        Boxes of the longest chain of imports; a circle counts as one.
    circles : tuple of tuple of str
        Boxes that import each other, directly or by way of others.
    """

    title: str
    boxes: int
    arrows: int
    floors: int
    circles: tuple[tuple[str, ...], ...]


def modules_of(room: str) -> Plan:
    """Return the plan of a room whose boxes are its modules."""
    boxes = {source.module for source in sources(room)}
    return plan(f"{room}, modules", boxes, _arrows(room))


def children_of(package: Name) -> Plan:
    """Return the plan of a package whose boxes are what lies in it directly."""
    depth = len(package) + 1
    modules = [source.module for source in sources(package[0])]
    inside = [name for name in modules if len(name) >= depth and name[: depth - 1] == package]
    boxes = {name[:depth] for name in inside}
    arrows = {
        (giver[:depth], taker[:depth])
        for giver, taker in _arrows(package[0])
        if giver[:depth] in boxes and taker[:depth] in boxes
    }
    return plan("/".join(package), boxes, arrows)


def packages_of(room: str) -> list[Name]:
    """Return the packages inside a room, in order."""
    names = {s.module for s in sources(room) if s.path.name == "__init__.py"}
    return sorted(name for name in names if len(name) > 1)


def plan(title: str, boxes: set[Name], arrows: set[Arrow]) -> Plan:
    """Count the boxes and arrows, and find the floors and the circles."""
    arrows = {(a, b) for a, b in arrows if a != b}
    following: dict[Name, set[Name]] = {box: set() for box in boxes}
    for giver, taker in arrows:
        following[giver].add(taker)
    circles = _circles(following)
    named = tuple(tuple(sorted(box[-1] for box in circle)) for circle in circles)
    return Plan(title, len(boxes), len(arrows), _floors(following, circles), tuple(sorted(named)))


def _arrows(room: str) -> set[Arrow]:
    known = {source.module for source in sources(room)}
    return {
        (source.module, taker)
        for source in sources(room)
        for taker in _imported(source, known)
        if taker != source.module
    }


def _imported(source: Source, known: set[Name]) -> Iterator[Name]:
    for node in ast.walk(source.tree()):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _known(tuple(alias.name.split(".")), known)
        elif isinstance(node, ast.ImportFrom):
            for name in _full(source, node):
                yield from _known(name, known)


def _full(source: Source, node: ast.ImportFrom) -> Iterator[Name]:
    base = tuple(node.module.split(".")) if node.module else ()
    if node.level:
        folder = source.path.parts[: -node.level]
        base = (PACKAGE, *folder, *base)
    for alias in node.names:
        yield (*base, alias.name)


def _known(name: Name, known: set[Name]) -> Iterator[Name]:
    """Yield the module that a name means: itself, or the one that a name in it is imported from."""
    if name[:1] != (PACKAGE,):
        return
    inside = name[1:]
    for module in (inside, inside[:-1]):
        if module in known:
            yield module
            return


def _circles(following: Mapping[Name, set[Name]]) -> list[frozenset[Name]]:
    reach = {box: _reach(box, following) for box in following}
    circles = {
        frozenset({box, *(other for other in reach[box] if box in reach[other])})
        for box in following
    }
    return sorted((circle for circle in circles if len(circle) > 1), key=sorted)


def _reach(box: Name, following: Mapping[Name, set[Name]]) -> set[Name]:
    reached: set[Name] = set()
    waiting = list(following[box])
    while waiting:
        box = waiting.pop()
        if box not in reached:
            reached.add(box)
            waiting += following[box]
    return reached


def _floors(following: Mapping[Name, set[Name]], circles: list[frozenset[Name]]) -> int:
    group = {box: circle for circle in circles for box in circle}
    heights: dict[frozenset[Name], int] = {}

    def height(members: frozenset[Name]) -> int:
        if members not in heights:
            below = {
                group.get(taker, frozenset({taker})) for box in members for taker in following[box]
            }
            heights[members] = 1 + max((height(one) for one in below - {members}), default=0)
        return heights[members]

    return max((height(group.get(box, frozenset({box}))) for box in following), default=0)
