"""The part of JSONPath that batch transform understands.

Source: Amazon SageMaker Developer Guide, "Associate Prediction Results with Input Records",
"Supported JSONPath Operators". The operators are those of the JsonPath library that the page refers
to; a slice leaves its end out, as there and as users write it (``$[0:-1]`` drops the last column).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_NAME = r"'(?:[^']*)'|\"(?:[^\"]*)\""
_ITEM = r"-?\d*:-?\d*|-?\d+"
_STEP = re.compile(
    rf"""
    \.?\[\s*(?P<names>(?:{_NAME})(?:\s*,\s*(?:{_NAME}))*)\s*\]
    | \.?\[\s*(?P<items>(?:{_ITEM})(?:\s*,\s*(?:{_ITEM}))*)\s*\]
    | \.?\[\s*(?P<all>\*)\s*\]
    | \.(?P<each>\*)
    | \.(?P<name>[^.\[\]*\s]+)
    """,
    re.VERBOSE,
)

Step = Callable[[Any], Any]


class PathError(ValueError):
    """A path that is not of the supported form, or that a record has nothing at."""


@dataclass(frozen=True)
class Path:
    """A parsed path.

    Attributes
    ----------
    text : str
        As it was written, e.g. ``"$[1:]"`` or ``"$['id','SageMakerOutput']"``.
    steps : tuple of callable
        What leads from a value to the next.
    """

    text: str
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> Path:
        """Read a path.

        Raises
        ------
        PathError
            If it does not begin with ``$`` or has an operator that is not supported.
        """
        steps, place = [], 1
        while place < len(text):
            match = _STEP.match(text, place)
            if not match:
                break
            steps.append(_step(match))
            place = match.end()
        if not text.startswith("$") or place != len(text):
            raise PathError(f"JSONPath {text!r} is not supported from {text[place - 1 :]!r} on")
        return cls(text, tuple(steps))

    def is_root(self) -> bool:
        """Return whether it selects everything."""
        return not self.steps

    def select(self, document: Any) -> Any:
        """Return the part of a record at the path.

        Raises
        ------
        PathError
            If the document has nothing there.
        """
        for step in self.steps:
            try:
                document = step(document)
            except (KeyError, IndexError, TypeError, AttributeError):
                raise PathError(f"JSONPath {self.text!r}: the record has nothing there") from None
        return document


def _step(match: re.Match[str]) -> Step:
    if match["name"]:
        return _names([match["name"]])
    if match["names"]:
        return _names([quoted[1:-1] for quoted in re.findall(_NAME, match["names"])])
    if match["items"]:
        return _items(re.findall(_ITEM, match["items"]))
    return lambda value: list(value.values() if isinstance(value, dict) else value)


def _names(names: list[str]) -> Step:
    def step(value: Any) -> Any:
        if isinstance(value, list):  # after a wildcard or a slice
            return [step(item) for item in value]
        if len(names) == 1:
            return value[names[0]]
        return {name: value[name] for name in names}

    return step


def _items(items: list[str]) -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, list):
            raise TypeError(value)
        if len(items) == 1 and ":" not in items[0]:
            return value[int(items[0])]
        chosen: list[Any] = []
        for item in items:
            chosen += _slice(value, item) if ":" in item else [value[int(item)]]
        return chosen

    return step


def _slice(value: list[Any], item: str) -> list[Any]:
    start, _, end = item.partition(":")
    return value[int(start) if start else None : int(end) if end else None]
