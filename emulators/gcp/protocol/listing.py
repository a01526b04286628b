"""Lists of resources: filters, order and pages (Google's AIP-132, AIP-158 and AIP-160)."""

from __future__ import annotations

import base64
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from tridock.emulators.gcp.protocol.errors import InvalidArgumentError

PAGE_SIZE = 100
_TERM = re.compile(
    r'\s*(-|NOT\s+)?([\w.]+)\s*(<=|>=|!=|=|<|>|:)\s*("[^"]*"|\'[^\']*\'|[^\s()]+)\s*'
)
Test: TypeAlias = Callable[[Mapping[str, Any]], bool]
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def answer(key: str, items: Iterable[Mapping[str, Any]], request: Mapping[str, Any]) -> Any:
    """Return one page of what `request` asks for.

    Parameters
    ----------
    key : str
        Name of the list in the answer, e.g. ``"models"``.
    request : Mapping
        May have ``filter``, ``orderBy``, ``pageSize`` and ``pageToken``.

    Raises
    ------
    InvalidArgumentError
        If the filter, the order or the token cannot be read.
    """
    wanted = matcher(request.get("filter", ""))
    wanted_items = [item for item in items if wanted(item)]
    wanted_items = _ordered(wanted_items, request.get("orderBy", ""))
    size = int(request.get("pageSize", 0)) or PAGE_SIZE
    start = _start(request.get("pageToken", ""))
    page: dict[str, Any] = {key: wanted_items[start : start + size]}
    if start + size < len(wanted_items):
        page["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return page


def matcher(text: str) -> Test:
    """Compile a filter: terms joined by AND and OR, where OR binds tighter (AIP-160).

    Raises
    ------
    InvalidArgumentError
        If it is more than that.
    """
    groups = [
        [_term(term, text) for term in re.split(r"\s+OR\s+", group)]
        for group in re.split(r"\s+AND\s+", text.strip())
        if group
    ]

    def matches(item: Mapping[str, Any]) -> bool:
        return all(any(term(item) for term in group) for group in groups)

    return matches


def camel(path: str) -> str:
    """Return a field's name in JSON, e.g. ``displayName`` for ``display_name``."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), path)


def _term(text: str, whole: str) -> Test:
    match = _TERM.fullmatch(text.strip().removeprefix("(").removesuffix(")"))
    if not match:
        raise InvalidArgumentError(f"Provided filter is not valid: {whole}")
    negated, path, comparator, quoted = match.groups()
    value = quoted.strip("\"'")

    def holds(item: Mapping[str, Any]) -> bool:
        return _compare(_get(item, path), comparator, value) != bool(negated)

    return holds


def _compare(held: Any, comparator: str, value: str) -> bool:
    if comparator == ":":
        if value == "*":
            return held not in (None, "", [], {})
        return value in (held if isinstance(held, list | dict) else str(held or ""))
    if isinstance(held, bool):
        held = str(held).lower()
    return held is not None and _COMPARE[comparator](str(held), value)


def _get(item: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path; the last part of a name means the whole name too."""
    head, _, rest = path.partition(".")
    value = item.get(camel(head), item.get(head))
    if rest:
        return value.get(rest) if isinstance(value, Mapping) else None
    if value is None and str(item.get("name", "")).split("/")[-2:-1] == [f"{head}s"]:
        return str(item["name"]).rpartition("/")[2]
    return value


def _ordered(items: list[Mapping[str, Any]], order: str) -> list[Mapping[str, Any]]:
    for part in reversed([part.split() for part in order.split(",") if part.strip()]):
        if len(part) > 2 or part[1:] not in ([], ["desc"], ["asc"]):
            raise InvalidArgumentError(f"Provided order_by is not valid: {order}")
        items = sorted(items, key=_key(part[0]), reverse=part[1:] == ["desc"])
    return items


def _key(path: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda item: str(_get(item, path))


def _start(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except ValueError:
        raise InvalidArgumentError(f"Page token is not valid: {token}") from None
