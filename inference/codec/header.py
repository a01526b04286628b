"""Columns of a table found by the names in its header."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Positions:
    """Places of a model's fields among a table's columns.

    Attributes
    ----------
    places : Mapping[str, int]
        Index of the column of each field that has one, by the field's name.
    missing : tuple of str
        Fields that no column names.
    repeated : tuple of str
        Fields that several columns name.
    """

    places: Mapping[str, int]
    missing: tuple[str, ...]
    repeated: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """True if each field has exactly one column."""
        return not self.missing and not self.repeated


def positions(cells: Sequence[str], names: Iterable[str]) -> Positions:
    """Find the columns that a header names.

    A name matches as it is, or else without blanks and quotes around it, or else in any
    case. All other columns are left out, as MLflow's server does it: an index, a label.

    Parameters
    ----------
    cells : sequence of str
        The header.
    names : iterable of str
        Names of the fields.
    """
    left = list(names)
    places: dict[str, int] = {}
    repeated: list[str] = []
    for form in (_as_it_is, _trimmed, _folded):
        columns = _columns(cells, set(places.values()), form)
        matches = {name: columns[form(name)] for name in left if form(name) in columns}
        places |= {name: indices[0] for name, indices in matches.items()}
        repeated += [name for name, indices in matches.items() if len(indices) > 1]
        left = [name for name in left if name not in matches]
    repeated += _sharing(places)
    return Positions(places, tuple(left), tuple(dict.fromkeys(repeated)))


def _sharing(places: Mapping[str, int]) -> list[str]:
    """Return fields that differ in nothing but their case, where one column is to be both."""
    uses = Counter(places.values())
    return [name for name, index in places.items() if uses[index] > 1]


def _columns(
    cells: Sequence[str], taken: set[int], form: Callable[[str], str]
) -> dict[str, list[int]]:
    columns: dict[str, list[int]] = {}
    for index, cell in enumerate(cells):
        if index not in taken:
            columns.setdefault(form(cell), []).append(index)
    return columns


def _as_it_is(cell: str) -> str:
    return cell


def _trimmed(cell: str) -> str:
    cell = cell.strip()
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].strip() if quoted else cell


def _folded(cell: str) -> str:
    return _trimmed(cell).casefold()
