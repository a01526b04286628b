"""Which core serves, and which makes the load."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tests.performance.errors import MeasuringError


@dataclass(frozen=True)
class Cores:
    """Two cores of this machine, by their numbers."""

    server: int
    load: int

    @classmethod
    def chosen(cls) -> Cores:
        """Take the first two we may use."""
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise MeasuringError(
                "there is one core only: server and load generator would share it, and nothing "
                "could be told from the figures"
            )
        return cls(allowed[0], allowed[1])

    def serving(self, command: list[str]) -> list[str]:
        """Return `command` held on the server's core."""
        return ["taskset", "-c", str(self.server), *command]

    def loading(self, command: list[str]) -> list[str]:
        """Return `command` held on the load generator's core."""
        return ["taskset", "-c", str(self.load), *command]
