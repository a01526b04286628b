"""Progress of a job on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from tridock.inference.batch.journal import Mark

#: Seconds between two lines.
LINE_SECONDS = 10.0


class Lines:
    """Writes a plain line now and then.

    Parameters
    ----------
    out : text stream
        Where to.
    seconds : float
        The least time between two lines.
    """

    def __init__(self, out: IO[str], seconds: float = LINE_SECONDS) -> None:
        self._out = out
        self._seconds = seconds
        self._began = self._told = time.monotonic()
        self._before = -1

    def show(self, mark: Mark, share: float) -> None:
        """See `Progress.show`."""
        now = time.monotonic()
        if self._before < 0:
            self._before = mark.rows
        if now < self._told + self._seconds:
            return
        self._told = now
        speed = (mark.rows - self._before) / (now - self._began)
        bad = f", {mark.refused:,} refused" if mark.refused else ""
        self._out.write(f"{share:4.0%}  {mark.rows:,} rows{bad}, {speed:,.0f} rows/s\n")
        self._out.flush()

    def __enter__(self) -> Lines:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: lines stay."""


class Bar:
    """Draws a bar with rows, rows per second and the time that is left.

    Parameters
    ----------
    out : text stream
        A terminal.
    """

    def __init__(self, out: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[words]}"),
            TimeRemainingColumn(),
            console=Console(file=out),
        )
        self._task = self._bar.add_task("", total=1.0, words="")
        self._began = time.monotonic()
        self._before = -1

    def show(self, mark: Mark, share: float) -> None:
        """See `Progress.show`."""
        if self._before < 0:
            self._before = mark.rows
        speed = (mark.rows - self._before) / max(0.001, time.monotonic() - self._began)
        bad = f", {mark.refused:,} refused" if mark.refused else ""
        words = f"{mark.rows:,} rows{bad}, {speed:,.0f} rows/s"
        self._bar.update(self._task, completed=share, words=words)

    def __enter__(self) -> Bar:
        """Begin to draw."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar as it is."""
        self._bar.stop()


def progress(out: IO[str] | None = None) -> Bar | Lines:
    """Choose a bar for a terminal, and lines for anything else."""
    out = out or sys.stderr
    try:
        return Bar(out) if out.isatty() else Lines(out)
    except ImportError:  # The image has no rich.
        return Lines(out)
