"""Lists of assets: which are shown, in what order, and page by page.

Source: Azure Machine Learning REST API, "Model Versions - List" and "Model Containers - List".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import Resource
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import invalid

#: Records of one answer.
PAGE = 100
#: Parameter ``listViewType``: which of archived and not archived ones are shown.
VIEWS: Mapping[str, tuple[bool, ...]] = {
    "activeonly": (False,),
    "archivedonly": (True,),
    "all": (False, True),
}


def page(kind: Kind, found: Sequence[Resource], call: Call) -> Answer:
    """Answer what a call asks for of the resources `found`, oldest first.

    With ``$top`` so many and no more; else a page, and the address of the next.

    Raises
    ------
    AzureError
        400 for a parameter that cannot be read.
    """
    shown = _filtered(found, call.query)
    if call.query.get("$orderBy", "").lower().split() == ["createdtime", "desc"]:
        shown = sorted(shown, key=lambda one: one.created)[::-1]
    start, top = (_number(call.query, name) for name in ("$skip", "$top"))
    end = start + (top or PAGE)
    answer: dict[str, object] = {
        "value": [kind.view(one, call.front) for one in shown[start:end]],
    }
    if end < len(shown) and not top:
        query = urlencode({**call.query, "$skip": end})
        answer["nextLink"] = f"{call.front.management}{call.path}?{query}"
    return Answer(200, answer)


def _filtered(found: Sequence[Resource], query: Mapping[str, str]) -> list[Resource]:
    word = query.get("listViewType") or "ActiveOnly"
    if word.lower() not in VIEWS:
        raise invalid(f"'{word}' is no listViewType: ActiveOnly, ArchivedOnly or All.")
    states = VIEWS[word.lower()]
    return [
        one
        for one in found
        if bool(one.properties.get("isArchived")) in states
        and query.get("version") in (None, "", one.id.name)
        and query.get("stage") in (None, "", one.properties.get("stage"))
        and all(_has(one, pairs, query.get(pairs) or "") for pairs in ("tags", "properties"))
    ]


def _has(one: Resource, pairs: str, wanted: str) -> bool:
    """Tell whether a resource has all of ``name`` or ``name=value``, joined by commas."""
    found = one.properties.get(pairs) or {}
    for each in filter(None, wanted.split(",")):
        name, equals, value = each.partition("=")
        if name not in found or (equals and found[name] != value):
            return False
    return True


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name) or "0"
    if not text.isdecimal():
        raise invalid(f"'{name}' must be a whole number, not '{text}'.")
    return int(text)
