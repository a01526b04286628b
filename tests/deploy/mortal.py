"""A target in memory on which a command dies at a call: the target's own, or a note's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.deploy.memory import MemoryNotes, MemoryTarget
from tridock.deploy.target.notes import Note


@dataclass
class Life:
    """How many calls are left; each call after the last one is the end.

    Attributes
    ----------
    left : int
        Negative for no end.
    spent : int
        Calls so far.
    """

    left: int = -1
    spent: int = 0

    def spend(self) -> None:
        self.spent += 1
        if self.left == 0:
            raise KeyboardInterrupt  # and so does all that recovery tries
        self.left -= 1


@dataclass
class MortalNotes(MemoryNotes):
    """Notes whose calls are counted, too."""

    life: Life = field(default_factory=Life)

    def keys(self) -> Sequence[str]:
        self.life.spend()
        return super().keys()

    def read(self, key: str) -> Note | None:
        self.life.spend()
        return super().read(key)

    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        self.life.spend()
        return super().write(key, body, over=over)

    def remove(self, key: str, *, over: Note) -> None:
        self.life.spend()
        super().remove(key, over=over)


@dataclass
class MortalTarget(MemoryTarget):
    """A target that ends a command at a call."""

    life: Life = field(default_factory=Life)

    def __post_init__(self) -> None:
        self.notes = MortalNotes(life=self.life)

    def _count(self, verb: str) -> None:
        self.life.spend()
        super()._count(verb)

    def dies(self, command: Callable[[], object], *, after: int) -> bool:
        """Run a command that is killed after so many calls; tell whether it was."""
        self.life.left = after
        try:
            command()
        except KeyboardInterrupt:
            return True
        finally:
            self.life.left = -1
        return False
