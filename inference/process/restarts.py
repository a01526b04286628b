"""When a server that ended is started again: at once, then ever later while it keeps ending."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass, replace

#: Seconds of the first pause, which doubles, and of the longest one. The first restart has none.
FIRST, LONGEST = 1.0, 60.0
#: A server that was up for so many seconds is steady: its next end is a first one again.
STEADY = 300.0


@dataclass(frozen=True)
class Restarts:
    """How often a server was started again, and when it is the next time.

    Attributes
    ----------
    count : int
        Restarts since the deployment was made.
    in_a_row : int
        Ends without a steady time between them.
    last_exit : str
        How it ended the last time, in words; empty if it never did.
    next_try : float or None
        Seconds since 1970; None while it runs.
    """

    count: int = 0
    in_a_row: int = 0
    last_exit: str = ""
    next_try: float | None = None

    def ended(self, how: str, *, lived: float, now: float) -> Restarts:
        """Return what follows from an end: when to start it again.

        Parameters
        ----------
        how : str
            How it ended, in words.
        lived : float
            Seconds for which it was ready.
        now : float
            Seconds since 1970.
        """
        in_a_row = 1 if lived >= STEADY else self.in_a_row + 1
        pause = min(FIRST * 2.0 ** (in_a_row - 2), LONGEST) if in_a_row > 1 else 0.0
        return replace(self, in_a_row=in_a_row, last_exit=how, next_try=now + pause)

    def started(self) -> Restarts:
        """Return what follows from another start."""
        return replace(self, count=self.count + 1, next_try=None)


def exit_text(code: int | None) -> str:
    """Return how a process ended, in words; None for one that runs and does not answer."""
    if code is None:
        return "it did not answer in time"
    if code < 0:
        with suppress(ValueError):
            return f"code {code} ({signal.Signals(-code).name})"
    return f"code {code}"
