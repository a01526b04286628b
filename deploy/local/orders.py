"""The deployer's orders as the router takes them: bounded, typed, and with names that are checked.

What a request's body holds is not trusted: a deployment serves a bundle that the state folder
holds, named by its digest, and its environment follows from the release alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from starlette.requests import Request

from tridock.deploy.local.fleet import RefusedError
from tridock.deploy.target import names
from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.records import Release

#: An order is a small document.
ORDER_BYTES = 64 << 10

_TYPES: Mapping[str, type] = {"count": int, "allow_pickle": bool}
_FIELDS = frozenset(field.name for field in fields(Release)) - {"scaling"}


@dataclass(frozen=True)
class Copies:
    """An order to copy `percent` of the requests to a deployment."""

    name: str
    percent: int


def release(endpoint: str, name: str, content: Any) -> Release:
    """Return the release that a document describes.

    Parameters
    ----------
    endpoint, name : str
        From the address; the document must name the same.

    Raises
    ------
    RefusedError
        If it is none, or names what it must not.
    """
    if not isinstance(content, dict) or set(content) != _FIELDS:
        given = sorted(content) if isinstance(content, dict) else content
        raise RefusedError(
            400, f"a release with {sorted(_FIELDS)} was expected, not {given!r:.300}"
        )
    for key, value in content.items():
        if type(value) is not _TYPES.get(key, str):
            raise RefusedError(400, f"{key} of a release is {value!r:.80}")
    if (content["endpoint"], content["name"]) != (endpoint, name):
        raise RefusedError(400, f"the release is of {content['endpoint']!r:.80}, not of {endpoint}")
    _checked(lambda: names.check("bundle", content["artifact"], names.DIGEST))
    return Release(**content)


def split(content: Any) -> Mapping[str, int]:
    """Return the traffic that a document describes: whole percent that sum to 100, or nothing."""
    if not isinstance(content, dict) or not all(map(_is_percent, content.values())):
        raise RefusedError(400, f"percents by deployment were expected, not {content!r:.300}")
    if sum(content.values()) not in (0, 100):
        raise RefusedError(400, f"the traffic {content!r:.300} does not sum to 100")
    _checked(lambda: names.check_all("deployment", content))
    return content


def copies(content: Any) -> Copies:
    """Return the order to copy that a document describes."""
    if not isinstance(content, dict) or set(content) != {"name", "percent"}:
        raise RefusedError(400, f"name and percent were expected, not {content!r:.300}")
    if not _is_percent(content["percent"]) or not isinstance(content["name"], str):
        raise RefusedError(400, f"a name and 0 to 100 percent were expected, not {content!r:.300}")
    return Copies(_checked(lambda: names.check("deployment", content["name"])), content["percent"])


def since(request: Request) -> float:
    """Return the moment that a request's query names, in seconds since 1970."""
    text = request.query_params.get("since", "")
    try:
        return float(text)
    except ValueError:
        raise RefusedError(400, f"since is {text!r:.80}: seconds since 1970 expected") from None


def place(request: Request) -> tuple[str, str]:
    """Return the endpoint that an address names, and the deployment or nothing."""
    endpoint, name = request.path_params["endpoint"], request.path_params.get("name", "")
    _checked(lambda: names.check("endpoint", endpoint))
    if "name" in request.path_params:
        _checked(lambda: names.check("deployment", name))
    return endpoint, name


async def document(request: Request) -> Any:
    """Read a request's body as JSON.

    Raises
    ------
    RefusedError
        If it is too long, or none.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > ORDER_BYTES:
            raise RefusedError(413, f"an order has at most {ORDER_BYTES} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the order is not JSON: {error}") from error


def _is_percent(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 100


def _checked(check: Callable[[], str | None]) -> str:
    try:
        return check() or ""
    except ConfigError as error:
        raise RefusedError(400, str(error)) from error
