"""The filters, order and pages of SageMaker's List calls."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tridock.emulators.aws.protocol.errors import ValidationError

Item = dict[str, Any]

#: Request member: the item's member it speaks of, and whether it is a lower bound.
_TIMES = {
    "CreationTimeAfter": ("CreationTime", True),
    "CreationTimeBefore": ("CreationTime", False),
    "LastModifiedTimeAfter": ("LastModifiedTime", True),
    "LastModifiedTimeBefore": ("LastModifiedTime", False),
}


#: Items of a page if the request does not say (API reference, MaxResults).
PAGE = 10


def page(
    items: list[Item], name: str, member_of: Callable[[str], Any]
) -> tuple[list[Item], str | None]:
    """Return the page of `select`'s items that a List request asks for, and the next one's token.

    Raises
    ------
    ValidationError
        If ``NextToken`` is none of ours.
    """
    chosen, token = select(items, name, member_of), member_of("NextToken")
    names = [_token(item[name]) for item in chosen]
    if token and token not in names:
        raise ValidationError("Invalid NextToken.")
    begin = names.index(token) if token else 0
    end = begin + (member_of("MaxResults") or PAGE)
    return chosen[begin:end], names[end] if end < len(names) else None


def select(
    items: list[Item], name: str, member_of: Callable[[str], Any], *, status: str = "EndpointStatus"
) -> list[Item]:
    """Return the items that a List request asks for, in its order.

    Parameters
    ----------
    name : str
        Member that holds an item's name, e.g. ``"ModelName"``.
    member_of : callable
        Returns a member of the request, or None.
    status : str
        Member that holds an item's state.
    """
    contains, wanted = member_of("NameContains"), member_of("StatusEquals")
    chosen = [item for item in items if not contains or contains.lower() in item[name].lower()]
    chosen = [item for item in chosen if not wanted or item.get(status) == wanted]
    for member, (time, after) in _TIMES.items():
        chosen = [
            item for item in chosen if _within(item.get(time), member_of(member), after=after)
        ]
    by = {"Name": name, "Status": status}.get(member_of("SortBy"), "CreationTime")
    descending = (member_of("SortOrder") or "Descending") == "Descending"
    return sorted(chosen, key=lambda item: item[by], reverse=descending)


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _within(time: datetime | None, bound: datetime | None, *, after: bool) -> bool:
    if time is None or bound is None:
        return True
    mine, limit = time.replace(tzinfo=None), bound.replace(tzinfo=None)
    return mine > limit if after else mine < limit
