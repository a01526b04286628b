"""A client that asks an endpoint all the time, and counts."""

from __future__ import annotations

import threading
from collections import Counter
from types import TracebackType
from typing import Self

from tridock.examples.docks import Ask

#: Seconds between an answer and the next request: two cores serve the whole story.
PAUSE = 0.01


class Client:
    """Keeps asking while its block runs, and counts; it never asks twice for one answer.

    Parameters
    ----------
    ask : callable
        Asks once.

    Attributes
    ----------
    answers : Counter of str
        Right answers by deployment.
    failures : list of str
        What went wrong, in words: an error, or a wrong answer.
    """

    def __init__(self, ask: Ask) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._ask = ask
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return self.answers.total() + len(self.failures)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(PAUSE):
            try:
                answer = self._ask()
            except Exception as error:
                # Whatever a vendor's client raises is a request that failed.
                self.failures.append(repr(error))
                continue
            if answer.is_right:
                self.answers[answer.deployment] += 1
            else:
                self.failures.append(f"{answer.deployment} answered {answer.text}")
