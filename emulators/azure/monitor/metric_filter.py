"""``$filter`` of Azure Monitor's metrics: which series are wanted, and by what they are split.

Source: Azure Monitor REST API, "Metrics - List", ``$filter``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tridock.emulators.azure.http.errors import AzureError

#: ``name eq 'value'``; two quotes are one in a value.
TERM = re.compile(
    r"\s*(?P<name>[\w./-]+)\s+(?P<verb>eq|ne|sw)\s+'(?P<value>(?:[^']|'')*)'\s*", re.I
)
WORD = re.compile(r"(and|or)\b", re.I)


@dataclass(frozen=True)
class Term:
    """Condition on one dimension.

    Attributes
    ----------
    name : str
        Of the dimension, in lower case.
    verb : str
        ``"eq"``, ``"ne"`` or ``"sw"``, which is: starts with.
    value : str
        In lower case; ``"*"`` is any.
    """

    name: str
    verb: str
    value: str

    def holds(self, value: str) -> bool:
        """Tell whether a value fits."""
        lowered = value.lower()
        if self.verb == "sw":
            return lowered.startswith(self.value)
        fits = self.value == "*" or lowered == self.value
        return fits if self.verb == "eq" else not fits


@dataclass(frozen=True)
class Filter:
    """Terms of one dimension are alternatives, except those that exclude; all dimensions hold.

    Attributes
    ----------
    terms : tuple of Term
        In the order written.
    """

    terms: tuple[Term, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The dimensions named, in lower case: series are split by them."""
        return tuple(dict.fromkeys(term.name for term in self.terms))

    def holds(self, dimensions: Mapping[str, str]) -> bool:
        """Tell whether a series, by its dimensions in lower case, is wanted."""
        return all(self._fits(name, dimensions.get(name, "")) for name in self.names)

    def _fits(self, name: str, value: str) -> bool:
        terms = [term for term in self.terms if term.name == name]
        chosen = [term for term in terms if term.verb != "ne"]
        excluded = [term for term in terms if term.verb == "ne"]
        wanted = not chosen or any(term.holds(value) for term in chosen)
        return wanted and all(term.holds(value) for term in excluded)


def read(text: str) -> Filter:
    """Read a filter; empty text wants everything, in one series.

    Raises
    ------
    AzureError
        400 if it is none, or lets two dimensions be alternatives.
    """
    terms: list[Term] = []
    joined, rest = "", text.replace("(", " ").replace(")", " ").strip()
    while rest or joined:
        match = TERM.match(rest)
        if not match:
            raise _refusal(f"Invalid $filter: expected name eq 'value' at '{rest[:40]}'")
        name, verb, value = match["name"].lower(), match["verb"].lower(), match["value"].lower()
        if joined == "or" and name != terms[-1].name:
            text = "the logical or operator cannot separate two different metadata names"
            raise _refusal(f"Invalid $filter: {text}: {terms[-1].name}, {name}")
        terms.append(Term(name, verb, value.replace("''", "'")))
        rest = rest[match.end() :]
        word = WORD.match(rest)
        if rest and not word:
            raise _refusal(f"Invalid $filter: expected and, or or the end at '{rest[:40]}'")
        joined = word[1].lower() if word else ""
        rest = rest[word.end() :] if word else rest
    return Filter(tuple(terms))


def _refusal(message: str) -> AzureError:
    return AzureError(400, "BadRequest", message)
