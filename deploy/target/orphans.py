"""Resource of a target that serves nothing any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Orphan:
    """One thing that bears our marks and serves nothing.

    Attributes
    ----------
    kind : str
        What it is, in the cloud's own words, e.g. ``"endpoint configuration"``.
    name : str
        Unique among the target's things of this kind.
    endpoint : str
        Whose it was: its lock is held while this is deleted. Empty where it may become anybody's,
        as a stored bundle may, which any endpoint can be given next.
    created : datetime or None
        With a time zone. None if the cloud does not say.
    reason : str
        Why it is left over.
    """

    kind: str
    name: str
    endpoint: str = ""
    created: datetime | None = None
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
