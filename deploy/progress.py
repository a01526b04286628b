"""Progress of a command on standard error: steps with their elapsed time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from tridock.inference import plaintext

#: Where nothing moves on a screen, a long step says from time to time that it is alive.
HEARTBEAT = 30.0


@dataclass
class Step:
    """A step under way; what is put into `detail` is said when it ends.

    Attributes
    ----------
    say : callable
        Says a line at once.
    waiting : str
        What it waits for, in words.
    """

    detail: str = ""
    say: Callable[[str], None] = print
    waiting: str = ""

    def awaits(self, what: str) -> None:
        """Say what the step waits for: at once if it is new, and with every sign of life."""
        if what and not self.waiting:
            self.say(f"waits for: {what}")
        self.waiting = what


@dataclass
class Progress:
    """A list of steps, one line each; drawn live on a terminal, plain lines without ANSI elsewhere.

    Attributes
    ----------
    console : Console
        Where to write.
    """

    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Say `title`, and how long it took, around a block."""
        began = time.monotonic()
        step = Step(say=self.note)
        try:
            with self._alive(title, began, step):
                yield step
        except BaseException:
            self._line("failed", title, "", began)
            raise
        self._line("done", title, step.detail, began)

    def note(self, text: str) -> None:
        """Say something that takes no time."""
        self.console.print(Text(f"            {plaintext.lines(text)}"), soft_wrap=True)

    @contextmanager
    def _alive(self, title: str, began: float, step: Step) -> Iterator[None]:
        if self.console.is_terminal:
            with self.console.status(Text(plaintext.line(title))):
                yield
            return
        ended = threading.Event()
        watch = threading.Thread(target=self._beat, args=(title, began, ended, step), daemon=True)
        watch.start()
        try:
            yield
        finally:
            ended.set()
            watch.join()

    def _beat(self, title: str, began: float, ended: threading.Event, step: Step) -> None:
        while not ended.wait(HEARTBEAT):
            self._line("under way", title, step.waiting, began)

    def _line(self, state: str, title: str, detail: str, began: float) -> None:
        mark = {"done": ("green", ""), "failed": ("red", "FAILED ")}.get(state, ("", f"{state} "))
        line = Text(f"{time.monotonic() - began:8.2f} s  ", style="dim")
        line.append(mark[1] + plaintext.line(title), style=mark[0])
        line.append(f": {plaintext.line(detail)}" if detail else "", style="default")
        self.console.print(line, soft_wrap=True)
