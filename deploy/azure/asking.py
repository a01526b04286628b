"""Requests to an address that asks for no key."""

from __future__ import annotations

import httpx

from tridock.deploy.azure.errors import translated
from tridock.deploy.target.errors import InvokeError

TIMEOUT = 240.0


def ask(client: httpx.Client, url: str, body: bytes, *, operation: str) -> bytes:
    """Send one JSON request and return the answer.

    Raises
    ------
    InvokeError
        If the model server answered an error.
    """
    with translated(operation):
        answer = client.post(
            url, content=body, headers={"Content-Type": "application/json"}, timeout=TIMEOUT
        )
    if answer.is_error:
        raise InvokeError(
            f"the model answered {answer.status_code}: {answer.text}",
            operation=operation,
            status=answer.status_code,
        )
    return answer.content
