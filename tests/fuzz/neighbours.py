"""Does an answer depend on who else is asking? Each request alone, then all of them at once."""

from __future__ import annotations

import http.client
import queue
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from random import Random

from tests.fuzz.damage import spoiled
from tests.fuzz.templates import Question, Subject, question

#: Callers at the same time: below what a server refuses for its queue's sake.
AT_ONCE = 48
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
    differed : list
        Requests with their two answers.
    """

    asked: int = 0
    good: int = 0
    differed: list[tuple[Question, Told, Told]] = field(default_factory=list)


def mixed(subject: Subject, count: int, seed: int) -> list[Question]:
    """Draw requests, half of them right and half spoiled."""
    dice = Random(seed)
    draw = (question, spoiled)
    return [_plain(draw[at % 2](subject, dice)) for at in range(count)]


def compare(port: int, questions: Sequence[Question], rounds: int = 1) -> Comparison:
    """Ask each alone, then all at once in another order, as many rounds as wanted."""
    with closing(_Caller(port)) as caller:
        alone = [caller.ask(each) for each in questions]
    found = Comparison()
    for seed in range(rounds):
        order = list(range(len(questions)))
        Random(seed).shuffle(order)
        together = _together(port, questions, order)
        for at in order:
            found.asked += 1
            found.good += together[at][0] == 200
            if together[at] != alone[at]:
                found.differed.append((questions[at], alone[at], together[at]))
    return found


def _together(port: int, questions: Sequence[Question], order: list[int]) -> dict[int, Told]:
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for at in order:
        waiting.put(at)
    answers: dict[int, Told] = {}

    def work() -> None:
        with closing(_Caller(port)) as caller:
            while True:
                try:
                    at = waiting.get_nowait()
                except queue.Empty:
                    return
                answers[at] = caller.ask(questions[at])

    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


class _Caller:
    """One connection, kept as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, asked: Question) -> Told:
        """Ask, again while the server is busy, and on a fresh connection if the old one is over."""
        was_kept = self._connection.sock is not None
        while (told := self._once(asked))[0] in BUSY or (not told[0] and was_kept):
            was_kept = bool(told[0])
        return told

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _once(self, asked: Question) -> Told:
        try:
            self._connection.putrequest("POST", asked.route, skip_accept_encoding=True)
            for name, value in asked.headers:
                self._connection.putheader(name, value.encode("latin-1", "replace"))
            self._connection.putheader("content-length", str(len(asked.body)))
            self._connection.endheaders(asked.body)
            with self._connection.getresponse() as response:
                body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return 0, type(error).__name__, b""
        if response.will_close:
            self._connection.close()
        return response.status, response.headers.get("content-type", ""), body


def _plain(asked: Question) -> Question:
    """Leave out what http.client cannot say, and what breaks the connection rather than a row."""
    left = ("host", "expect", "upgrade")
    headers = tuple(
        (name, value) for name, value in asked.headers if name not in left and value.isprintable()
    )
    route = asked.route if asked.route.startswith("/") and "#" not in asked.route else "/predict"
    return Question(route, asked.body, headers)
