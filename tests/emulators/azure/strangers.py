"""Requests to the emulated Azure as strangers make them, and what they are answered."""

from __future__ import annotations

import httpx

from tests.emulators.azure.rest import Rest


def bare(rest: Rest, method: str, url: str, **headers: str) -> httpx.Response:
    """Send a request without the client's own token."""
    request = rest.client.build_request(method, url, headers=headers)
    if "Authorization" not in headers:
        del request.headers["Authorization"]
    return rest.client.send(request)


def code(answer: httpx.Response) -> tuple[int, str]:
    if "x-ms-error-code" in answer.headers:
        return answer.status_code, answer.headers["x-ms-error-code"]
    return answer.status_code, answer.json()["error"]["code"]
