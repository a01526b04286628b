"""Thousands of shots at one server, several at a time, and what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.fuzz.shots import Shot
from tests.fuzz.wire import Answer, GarbledError, HangError, fault, fire

AT_ONCE = 16


@dataclass
class Volley:
    """What came of many shots.

    Attributes
    ----------
    sent : int
        Shots fired.
    statuses : Counter
        Answers by status; 0 counts shots that were none to answer.
    faults : list of (str, Shot)
        What must not be: 5xx, invalid JSON, no answer, no HTTP.
    """

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[tuple[str, Shot]] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """Count faults that begin with `kind`."""
        return sum(told.startswith(kind) for told, _ in self.faults)

    def add(self, shot: Shot, answer: Answer | None, told: str) -> None:
        """Count one shot."""
        self.sent += 1
        self.statuses[answer.status if answer else 0] += 1
        if told:
            self.faults.append((told, shot))


def fire_all(port: int, shots: Iterable[Shot]) -> Volley:
    """Fire the shots, sixteen at a time, and judge every answer."""
    volley = Volley()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for shot, answer, told in pool.map(lambda shot: _judged(port, shot), shots):
            volley.add(shot, answer, told)
    return volley


def _judged(port: int, shot: Shot) -> tuple[Shot, Answer | None, str]:
    try:
        answer = fire(port, shot)
    except HangError as error:
        return shot, None, f"hang: {error}"
    except GarbledError as error:
        return shot, None, f"no HTTP: {error}"
    except OSError as error:
        return shot, None, f"refused: {error}"
    return shot, answer, fault(answer, method=shot.method) if answer else ""
