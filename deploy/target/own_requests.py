"""Requests of our own to one deployment, which a cloud's metrics cannot tell from live ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tridock.deploy.target.errors import InvokeError


@dataclass(frozen=True)
class Own:
    """Requests that this process sent, kept as long as it runs."""

    _sent: dict[tuple[str, str], list[tuple[datetime, bool]]] = field(default_factory=dict)

    def note(self, endpoint: str, deployment: str, *, failed: bool) -> None:
        """Remember a request that a deployment has answered just now.

        Parameters
        ----------
        failed : bool
            Whether it answered 5xx.
        """
        self._sent.setdefault((endpoint, deployment), []).append((datetime.now(UTC), failed))

    @contextmanager
    def noting(self, endpoint: str, deployment: str | None) -> Iterator[None]:
        """Remember the request that the block sends, if it names a deployment and is answered."""
        try:
            yield
        except InvokeError as error:
            if deployment:
                self.note(endpoint, deployment, failed=error.status >= 500)
            raise
        if deployment:
            self.note(endpoint, deployment, failed=False)

    def between(self, key: tuple[str, str], since: datetime, until: datetime) -> tuple[int, int]:
        """Return how many a deployment answered from one moment to another, and how many failed."""
        found = [failed for when, failed in self._sent.get(key, ()) if since <= when < until]
        return len(found), sum(found)
