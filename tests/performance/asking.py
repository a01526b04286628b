"""One request at a time: is the answer right?"""

from __future__ import annotations

import http.client
import json
import time
from contextlib import closing

from tests.performance.errors import MeasuringError, NotReadyError
from tests.performance.models import Model
from tests.performance.running import Running
from tests.performance.servers import Server

#: The longest that any server may take to come up, in seconds.
PATIENCE = 60.0
PAUSE = 0.004


def first_right(running: Running, server: Server, model: Model, port: int) -> float:
    """Ask until the first right prediction, and return the seconds since the process started.

    Raises
    ------
    NotReadyError
        If it ends, or 60 seconds pass; the message has its log's last line.
    """
    body, label = server.bodies(model)[0], server.labels(model)[0]
    told = "nothing"
    while time.perf_counter() - running.began < PATIENCE and running.process.poll() is None:
        try:
            told = ask(server, port, body)
        except (OSError, http.client.HTTPException, MeasuringError) as error:
            told = str(error)
        if told == label:
            return time.perf_counter() - running.began
        time.sleep(PAUSE)
    ended = running.process.poll()
    what = "ended" if ended is not None else f"not ready in {PATIENCE:g} s, answered {told[:160]}"
    raise NotReadyError(f"{what}; log: {running.tail()}")


def wrong_answers(server: Server, model: Model, port: int) -> int:
    """Send every row alone and count the answers that are not scikit-learn's."""
    pairs = zip(server.bodies(model), server.labels(model), strict=True)
    return sum(_is_wrong(server, port, body, label) for body, label in pairs)


def ask(server: Server, port: int, body: bytes) -> str:
    """Send one request and return the label that was answered.

    Raises
    ------
    MeasuringError
        If the status is not 200, or the answer is not of the shape the server's documents show.
    OSError
        If the connection fails.
    """
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", server.route, body, {"content-type": "application/json"})
        response = connection.getresponse()
        content = response.read()
    if response.status != 200:
        raise MeasuringError(f"status {response.status}: {content[:120]!r}")
    try:
        return server.label(json.loads(content))
    except (ValueError, LookupError, TypeError) as error:
        raise MeasuringError(f"strange answer {content[:120]!r}") from error


def _is_wrong(server: Server, port: int, body: bytes, label: str) -> bool:
    try:
        return ask(server, port, body) != label
    except (OSError, http.client.HTTPException, MeasuringError):
        return True
