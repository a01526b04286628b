"""What reads were answered before the latest change: the memory behind stale answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

Answer = TypeVar("Answer")


@dataclass
class Past:
    """Answers of reads, by request, kept while a plan has stale reads in it.

    Attributes
    ----------
    is_kept : bool
        Whether answers are remembered at all.
    """

    is_kept: bool = False
    now: Callable[[], float] = time.monotonic
    _latest: dict[Hashable, Any] = field(default_factory=dict)
    _before: dict[Hashable, Any] = field(default_factory=dict)
    _reads: int = 0
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, reads: int, seconds: float) -> None:
        """Let the next `reads` reads, and those of the next `seconds`, see the past."""
        with self._lock:
            self._reads, self._until = reads, self.now() + seconds

    def changed(self) -> None:
        """Note that something was changed: what was told so far is the past now."""
        with self._lock:
            self._before = dict(self._latest)

    def seen(self, request: Hashable, fresh: Answer) -> Answer:
        """Return what a read is answered: `fresh`, or what it was before the latest change.

        What was never asked before is answered as it is.
        """
        with self._lock:
            self._latest[request] = fresh
            if self._reads <= 0 and self.now() >= self._until:
                return fresh
            self._reads -= 1
            old: Answer = self._before.get(request, fresh)
            return old
