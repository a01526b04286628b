"""Bytes to a server, and its answers judged."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from dataclasses import dataclass

from tests.fuzz.shots import Shot

#: A complete request that is not answered within this many seconds hangs.
PATIENCE = 20.0
#: A request that was never finished: how long to look for an answer before going away.
GLANCE = 0.1
JSON = re.compile(r"application/(?:[\w.+-]+\+)?json\b")
LINES = re.compile(r"application/(?:x-)?(?:jsonlines|ndjson)\b")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    media: str
    body: bytes
    json_length: str = ""


class HangError(Exception):
    """A complete request got no answer."""


class GarbledError(Exception):
    """What came back is no HTTP answer."""


def fire(port: int, shot: Shot) -> Answer | None:
    """Write a shot to a connection of its own and read the answer, if one comes.

    Raises
    ------
    HangError
        If the request was whole and is not answered.
    GarbledError
        If something else than an HTTP answer comes.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        try:
            for piece in shot.pieces:
                connection.sendall(piece)
                if len(shot.pieces) > 1:
                    time.sleep(0.0005)
        except OSError:
            pass  # refused before its end: the answer is there to be read
        connection.settimeout(PATIENCE if shot.is_whole else GLANCE)
        return _answer(connection, shot)


def _answer(connection: socket.socket, shot: Shot) -> Answer | None:
    try:
        with http.client.HTTPResponse(connection, method=shot.method) as response:
            response.begin()
            body = response.read()
    except (TimeoutError, ConnectionError, http.client.RemoteDisconnected) as error:
        if shot.is_whole:
            raise HangError(f"no answer: {error!r}") from error
        return None
    except (http.client.HTTPException, ValueError) as error:
        if not shot.is_whole and isinstance(error, http.client.IncompleteRead):
            return None
        raise GarbledError(repr(error)) from error
    media = response.headers.get("content-type", "")
    length = response.headers.get("inference-header-content-length", "")
    return Answer(response.status, media, body, length)


def fault(answer: Answer, *, method: str = "POST") -> str:
    """Tell what is wrong with an answer: empty if nothing is."""
    if answer.status >= 500:
        return f"status {answer.status}"
    if method == "HEAD" or answer.status == 204:
        return ""
    try:
        if JSON.match(answer.media):
            value = strict(answer.body)
            if answer.status >= 400 and not _is_refusal(value):
                return "an error in a shape of its own"
        elif LINES.match(answer.media):
            for line in answer.body.splitlines():
                strict(line)
        elif answer.json_length:
            strict(answer.body[: int(answer.json_length)])
    except ValueError as error:
        return f"invalid JSON: {error}"
    return ""


def strict(text: bytes) -> object:
    """Read JSON by RFC 8259: UTF-8, without NaN and infinities.

    Raises
    ------
    ValueError
        If it is not.
    """
    return json.loads(text.decode("utf-8"), parse_constant=_refuse)


def _is_refusal(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("error"), str)
        and set(value) <= {"error", "code"}
    )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
