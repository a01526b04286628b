"""Requests to the router: orders with its secret, and requests for models."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tridock.deploy.local import daemon
from tridock.deploy.target.errors import ConflictError, NotFoundError, TargetError, UnavailableError

#: What the router's statuses mean.
KINDS: Mapping[int, type[TargetError]] = {
    404: NotFoundError,
    409: ConflictError,
    503: UnavailableError,
}


def order(folder: Path, method: str, path: str, body: Any = None) -> Any:
    """Give the router that keeps `folder` an order, and return what it answers.

    Parameters
    ----------
    path : str
        E.g. ``"/endpoints/iris/traffic"``.

    Raises
    ------
    NotFoundError
        If no router is up, or there is no such thing.
    TargetError
        If the router refuses.
    """
    url = daemon.find(folder)
    if not url:
        raise NotFoundError(f"nothing is deployed on this machine by {folder}: no router is up")
    headers = {"authorization": f"Bearer {daemon.secret(folder)}"}
    answer = send(method, f"{url}/-{path}", json=body, headers=headers)
    if answer.is_success:
        return answer.json() if answer.content else None
    kind = KINDS.get(answer.status_code, TargetError)
    raise kind(_said(answer), operation=f"router:{method}", code=str(answer.status_code))


def send(method: str, url: str, **content: Any) -> httpx.Response:
    """Send one request to the router.

    Raises
    ------
    UnavailableError
        If it does not answer.
    """
    try:
        return _client().request(method, url, **content)
    except httpx.TransportError as error:
        raise UnavailableError(f"the local router at {url} does not answer: {error}") from error


@cache
def _client() -> httpx.Client:
    # Plain HTTP on the loopback: reading all certificate authorities would take its time.
    return httpx.Client(timeout=90.0, trust_env=False, verify=False)  # noqa: S501


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]
