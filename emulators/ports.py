"""Ports of an emulator: the same after every start, because open shells keep its address."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tridock.emulators.errors import StartError

Bound = TypeVar("Bound")


@dataclass(frozen=True)
class Ports:
    """The ports that an emulator listens on.

    Attributes
    ----------
    file : Path
        Keeps them, as a JSON list.
    numbers : tuple of int
        The remembered ports; at the first start of a state folder, the preferred ones.
    are_remembered : bool
        Whether clients may know them already: then no other port will do.
    """

    file: Path
    numbers: tuple[int, ...]
    are_remembered: bool

    @classmethod
    def at(cls, file: Path, preferred: Sequence[int]) -> Ports:
        """Read the ports of a state folder, or begin with the preferred ones."""
        with suppress(FileNotFoundError, ValueError, TypeError):
            numbers = tuple(int(number) for number in json.loads(file.read_text()))
            if len(numbers) == len(preferred):
                return cls(file, numbers, are_remembered=True)
        return cls(file, tuple(preferred), are_remembered=False)

    def bind(self, place: int, listen: Callable[[int], Bound]) -> Bound:
        """Listen on the port at `place` of `numbers`.

        Parameters
        ----------
        listen : callable
            Binds 127.0.0.1 at a port, 0 for a free one; raises OSError if the port is taken.

        Raises
        ------
        StartError
            If another program has a remembered port.
        """
        number = self.numbers[place]
        try:
            return listen(number)
        except OSError as error:
            if self.are_remembered:
                raise self._taken(number) from error
        return listen(0)

    def remember(self, numbers: Sequence[int]) -> None:
        """Keep the ports that were bound."""
        draft = self.file.with_suffix(".draft")
        draft.write_text(json.dumps(list(numbers)))
        draft.rename(self.file)

    def _taken(self, number: int) -> StartError:
        return StartError(
            f"another program listens on 127.0.0.1:{number}, the address that shells already use "
            f"for this emulator. End that program (`ss -ltnp` lists it), or delete {self.file} "
            "to have the emulator choose other ports, and then repeat `eval` of `env` in each shell"
        )
