"""An upload and a deployment that may be cut short anywhere, and what a client then expects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Fact:
    """One change that the cloud has acknowledged.

    Attributes
    ----------
    kind, name : str
        Of what the change is about: ``"object"``, ``"models/a"``. A later fact of the same kind and
        name replaces an earlier one.
    value : str or None
        What a client must find from now on; empty: it must find nothing. None: a change of it was
        sent and is not acknowledged yet, it may be there or not.
    """

    kind: str
    name: str
    value: str | None


Note = Callable[[Fact], None]


class Workload(Protocol):
    """The work of one client of one cloud.

    Each call raises what its client raises when the emulator is killed under it.
    """

    def run(self, note: Note) -> None:
        """Upload and deploy, and take over what an earlier run has done; note each answer."""
        ...

    def find(self, fact: Fact) -> str:
        """Return what the cloud has of a fact now; empty for nothing."""
        ...

    def answer(self) -> str:
        """Return what the deployment predicts, and what is wrong with it otherwise."""
        ...

    @property
    def right_answer(self) -> str:
        """What it predicts when the run has ended."""
        ...


#: Makes a workload from a client's environment and the folder of a packaged model.
Open = Callable[[Mapping[str, str], Path], Workload]
