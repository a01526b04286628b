"""Filters of Cloud Monitoring: comparisons, functions, AND, OR, NOT ("Monitoring filters")."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tridock.emulators.gcp.protocol.errors import InvalidArgumentError

Test: TypeAlias = Callable[[Mapping[str, Any]], bool]
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\'[^\']*\'|>=|<=|!=|[=<>:(),]|-(?=\s*[\w(])|[\w./*-]+)')
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    ":": lambda found, value: value in found,
}
_FUNCTIONS: Mapping[str, Callable[[str, list[str]], bool]] = {
    "starts_with": lambda found, values: found.startswith(values[0]),
    "ends_with": lambda found, values: found.endswith(values[0]),
    "has_substring": lambda found, values: values[0] in found,
    "one_of": lambda found, values: found in values,
    "monitoring.regex.full_match": lambda found, values: bool(re.fullmatch(values[0], found)),
}
_PATH = re.compile(r"(metric|resource)\.(type|labels?\.[\w-]+)|project")


@dataclass
class Condition:
    """A filter that was read.

    Attributes
    ----------
    test : callable
        Whether ``{"metric": {"type", "labels"}, "resource": …, "project"}`` fits.
    equals : dict of str to str
        What has to be equal to something, whatever else is asked for.
    paths : list of str
        Everything that is looked at, ``label`` written as ``labels``.
    """

    test: Test
    equals: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)


def read(text: str) -> Condition:
    """Read a filter.

    Raises
    ------
    InvalidArgumentError
        If it cannot be read, or looks at what series do not have.
    """
    return _Reader(text).whole() if text.strip() else Condition(lambda _: True)


def invalid(text: str, words: str) -> InvalidArgumentError:
    """Return the service's error for a filter."""
    return InvalidArgumentError(f'Field filter had an invalid value of "{text}": {words}')


class _Reader:
    """Reads by recursive descent; what it finds on its way stays in `found`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self.found = Condition(lambda _: True)

    def whole(self) -> Condition:
        self.found.test = self._any(top=True)
        if self._tokens:
            raise self._unexpected()
        return self.found

    def _split(self) -> list[str]:
        tokens, at = [], 0
        while self._text[at:].strip():
            match = _TOKEN.match(self._text, at)
            if not match:
                raise invalid(self._text, f"could not be parsed at {self._text[at:].strip()!r}.")
            tokens.append(match[1])
            at = match.end()
        return tokens

    def _any(self, *, top: bool) -> Test:
        before = dict(self.found.equals)
        tests = [self._all(top=top)]
        while self._take("OR"):
            tests.append(self._all(top=False))
            self.found.equals = before  # one of two is no demand
        return tests[0] if len(tests) == 1 else lambda one: any(test(one) for test in tests)

    def _all(self, *, top: bool) -> Test:
        tests = [self._one(top=top)]
        while self._tokens and self._tokens[0] not in ("OR", ")", ","):
            self._take("AND")
            tests.append(self._one(top=top))
        return lambda one: all(test(one) for test in tests)

    def _one(self, *, top: bool) -> Test:
        if self._take("NOT") or self._take("-"):
            test = self._one(top=False)
            return lambda one: not test(one)
        if self._take("("):
            test = self._any(top=top)
            self._expect(")")
            return test
        return self._comparison(top=top)

    def _comparison(self, *, top: bool) -> Test:
        path = self._next()
        if not _PATH.fullmatch(path):
            raise invalid(self._text, f"{path!r} is not a selector of time series.")
        path = re.sub(r"\.label\.", ".labels.", path)
        sign = self._next()
        if sign not in _COMPARE:
            raise invalid(self._text, f"{sign!r} is not a comparison.")
        self.found.paths.append(path)
        name = self._next()
        if self._take("("):
            return self._function(path, sign, name)
        value = _unquoted(name)
        if sign == "=" and top:
            self.found.equals[path] = value
        compare = _COMPARE[sign]
        return lambda one: compare(_get(one, path), value)

    def _function(self, path: str, sign: str, name: str) -> Test:
        if name not in _FUNCTIONS or sign not in ("=", "!="):
            raise invalid(self._text, f"{name!r} is not a function.")
        values = [_unquoted(self._next())]
        while self._take(","):
            values.append(_unquoted(self._next()))
        self._expect(")")
        function, wanted = _FUNCTIONS[name], sign == "="
        return lambda one: function(_get(one, path), values) == wanted

    def _take(self, token: str) -> bool:
        if self._tokens[:1] == [token]:
            del self._tokens[0]
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._unexpected()

    def _next(self) -> str:
        if not self._tokens:
            raise invalid(self._text, "it ends too early.")
        return self._tokens.pop(0)

    def _unexpected(self) -> InvalidArgumentError:
        where = self._tokens[0] if self._tokens else "its end"
        return invalid(self._text, f"unexpected {where}.")


def _unquoted(token: str) -> str:
    if token.startswith('"'):
        return str(json.loads(token))
    return token.strip("'")


def _get(one: Mapping[str, Any], path: str) -> str:
    found: Any = one
    for part in path.split(".", 2):
        found = found.get(part, "")
    return str(found)
