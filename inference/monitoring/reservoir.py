"""A few of the rows that pass, every one as likely as any other."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from tridock.inference.data.table import Columns, part, rows

if TYPE_CHECKING:
    from tridock.inference.data.table import Table

#: Keeps logarithms finite.
TINY = 1e-12


class Reservoir:
    """Keeps a sample of the rows it sees.

    It draws how many rows to let pass before the next one is kept, so that most of them cost
    nothing (Li 1994, "Reservoir-Sampling Algorithms of Time Complexity O(n(1 + log(N/n)))",
    algorithm L).

    Parameters
    ----------
    size : int
        Most rows to keep.
    dice : Random
        Draws.
    """

    def __init__(self, size: int, dice: Random) -> None:
        self.kept: list[Table] = []
        self.seen = 0
        self._size = size
        self._dice = dice
        self._next = 0
        self._weight = 1.0

    def see(self, table: Table) -> None:
        """Look at the rows of a table; what is kept of it is copied."""
        first = self.seen
        self.seen += rows(table)
        while self._next < self.seen:
            self._keep(_copied(table, self._next - first))

    def _keep(self, row: Table) -> None:
        if len(self.kept) < self._size:
            self.kept.append(row)
        else:
            self.kept[self._dice.randrange(self._size)] = row
        self._next += 1
        if len(self.kept) == self._size:
            self._weight *= math.exp(math.log(self._draw()) / self._size)
            self._next += int(math.log(self._draw()) / math.log1p(-self._weight))

    def _draw(self) -> float:
        return self._dice.uniform(TINY, 1 - TINY)


def _copied(table: Table, index: int) -> Table:
    """Return one row that does not hold on to the others."""
    row = part(table, index, index + 1)
    if isinstance(row, Columns):
        return Columns(row.names, tuple(each.copy() for each in row.arrays))
    return row.copy() if isinstance(row, np.ndarray) else row
