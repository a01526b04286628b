"""The answer of a user's script on its way out: a response, text, or what JSON can hold."""

from __future__ import annotations

import time
from typing import Any

import orjson

from tridock.inference import score
from tridock.inference.codec.jsontext import dumps
from tridock.inference.messages import Reply
from tridock.inference.script.raw_http import Request, is_response

#: How long ``run()`` took (azureml-inference-server-http, ``server/routes.py``).
DURATION = "x-ms-run-fn-exec-ms"

#: Headers that the server sets itself.
OURS = ("content-type", "content-length", "transfer-encoding", "connection", "date", "server")


def reply(request: Request) -> Reply:
    """Let the loaded script answer a request.

    Raises
    ------
    RequestError
        If the request does not fit, or the script fails.
    """
    began = time.perf_counter()
    value = score.run(request)
    headers = {DURATION: f"{1000 * (time.perf_counter() - began):.3f}"}
    if is_response(value):
        return _response(value, headers)
    body, media = _written(value)
    return Reply(body, media, headers=headers, rows=1)


def _written(value: Any) -> tuple[bytes, str]:
    """Write text as it is, nothing as an empty object, and anything else as JSON."""
    if not isinstance(value, str):
        return dumps({} if value is None else value), "application/json"
    body = value.encode(errors="replace")
    return body, "application/json" if _is_json(body) else "text/plain; charset=utf-8"


def _response(value: Any, headers: dict[str, str]) -> Reply:
    own = {name: one for name, one in value.headers.items() if name.lower() not in OURS}
    media = value.headers.get("Content-Type", "application/octet-stream")
    return Reply(value.get_data(), media, value.status_code, {**headers, **own}, rows=1)


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
