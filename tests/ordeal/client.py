"""A client that never stops asking, and remembers who answered."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

from tests.ordeal.bundles import REQUEST, version_of
from tridock.deploy.target.errors import DeployError
from tridock.deploy.target.protocol import Target

#: Seconds between an answer and the next request.
REST = 0.05


@dataclass
class Client:
    """Sends requests through the cloud's data plane, one after the other, in a thread of its own.

    Attributes
    ----------
    allowed : frozenset of str
        Versions that may answer at this time.
    sent : int
        Requests so far.
    failed : list of str
        What every request said that was not answered by one of `allowed`.
    """

    target: Target
    endpoint: str
    allowed: frozenset[str] = frozenset()
    sent: int = 0
    failed: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Client:
        self._ended.clear()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _ask(self) -> None:
        while not self._ended.wait(REST):
            self.sent += 1
            began = time.monotonic()
            try:
                version = version_of(self.target.invoke(self.endpoint, REQUEST))
            except DeployError as error:
                self.failed.append(f"{time.monotonic() - began:.2f} s: {error}")
                continue
            if version not in self.allowed:
                self.failed.append(f"{version or 'nobody'} answered, not {sorted(self.allowed)}")
