"""Limits of the service that a test may want nearer."""

from __future__ import annotations

from dataclasses import dataclass

#: Real seconds a container has for one answer (API reference, InvokeEndpoint).
INVOCATION_SECONDS = 60.0


@dataclass
class Limits:
    """Limits in force.

    Attributes
    ----------
    invocation_seconds : float
        Real seconds until an invocation times out.
    """

    invocation_seconds: float = INVOCATION_SECONDS

    def reset(self) -> None:
        """Be the service's own again."""
        self.invocation_seconds = INVOCATION_SECONDS
