"""Does an answer depend on who else is asking? Each request alone, then many in one moment."""

from __future__ import annotations

import http.client
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from random import Random

from tests.fuzz.damage import spoiled
from tests.fuzz.templates import Question, Subject, question
from tridock.inference.process.model_server import ModelServer

#: Requests of one moment: below what a server refuses for its queue's sake.
AT_ONCE = 48
#: Beside them, so many that are never finished.
HALVES = 4
BUSY = (429, 503)

Told = tuple[int, str, bytes]


@dataclass
class Comparison:
    """What was asked, and what changed in company.

    Attributes
    ----------
    asked : int
        Requests answered in company and compared, byte for byte, with their answers alone.
    good : int
        Of these, answered with 200.
    busy : int
        Refused in company for the queue's sake, and so not compared.
    differed : list
        Requests with their two answers.
    """

    asked: int = 0
    good: int = 0
    busy: int = 0
    differed: list[tuple[Question, Told, Told]] = field(default_factory=list)

    def add(self, asked: Question, alone: Told, together: Told) -> None:
        """Compare the two answers to one request."""
        if together[0] in BUSY:
            self.busy += 1
            return
        self.asked += 1
        self.good += together[0] == 200
        if together != alone:
            self.differed.append((asked, alone, together))


def mixed(subject: Subject, count: int, seed: int) -> list[Question]:
    """Draw requests, half of them right and half spoiled."""
    dice = Random(seed)
    draw = (question, spoiled)
    return [_plain(draw[at % 2](subject, dice)) for at in range(count)]


def compare(server: ModelServer, questions: Sequence[Question], rounds: int = 1) -> Comparison:
    """Ask each alone, then 48 in one moment in another order, as many rounds as wanted.

    The moment is made by stopping the server (SIGSTOP) while the requests are written: when it
    goes on, all of them are there, and those that can be predicted together are.
    """
    alone = [_told(_sent(server.port, each)) for each in questions]
    found = Comparison()
    for seed in range(rounds):
        order = list(range(len(questions)))
        Random(seed).shuffle(order)
        indices = iter(order)
        while burst := list(islice(indices, AT_ONCE)):
            together = _together(server, [questions[at] for at in burst])
            for at, told in zip(burst, together, strict=True):
                found.add(questions[at], alone[at], told)
    return found


def _together(server: ModelServer, questions: Sequence[Question]) -> list[Told]:
    with ExitStack() as stack:
        os.killpg(server.process.pid, signal.SIGSTOP)
        try:
            for half in questions[:HALVES]:
                text = message(half)
                stack.enter_context(_connected(server.port)).sendall(text[: len(text) // 2])
            connections = [_sent(server.port, each) for each in questions]
        finally:
            os.killpg(server.process.pid, signal.SIGCONT)
        return [_told(connection) for connection in connections]


def message(asked: Question) -> bytes:
    """Write a whole request that lets the connection be kept."""
    lines = [f"POST {asked.route} HTTP/1.1", "host: model"]
    lines += [f"{name}: {value}" for name, value in asked.headers]
    lines += [f"content-length: {len(asked.body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + asked.body


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def _sent(port: int, asked: Question) -> socket.socket:
    connection = _connected(port)
    connection.sendall(message(asked))
    return connection


def _told(connection: socket.socket) -> Told:
    with connection, http.client.HTTPResponse(connection, method="POST") as response:
        try:
            response.begin()
            return response.status, response.headers.get("content-type", ""), response.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, type(error).__name__, b""


def _plain(asked: Question) -> Question:
    """Leave out what breaks the connection rather than a row."""
    left = ("host", "expect", "upgrade")
    headers = tuple(
        (name, value) for name, value in asked.headers if name not in left and value.isprintable()
    )
    route = asked.route if asked.route.startswith("/") and "#" not in asked.route else "/predict"
    return Question(route, asked.body, headers)
