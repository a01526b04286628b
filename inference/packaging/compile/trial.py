"""Rows to try a compiled model on: the sample's, generated ones, and those at the edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from tridock.inference.data.field import Field, Scalar
from tridock.inference.data.signature import Signature
from tridock.inference.packaging.probe import UNSEEN
from tridock.inference.packaging.sample import Sample

Cell: TypeAlias = Scalar | None
Row: TypeAlias = list[Cell]

SEED = 20240229
#: Rows taken from the sample, and rows made up; fewer where rows are wide.
MOST_ROWS = 1500
MOST_CELLS = 150_000
FEWEST_ROWS = 200
#: One generated cell of this number is missing, or of an unknown category, where that is allowed.
RARE = 10
#: Lengths by which the range seen is widened on either side; numbers are drawn from that.
WIDER = 1.0
#: Texts that tokens are easily counted wrong in.
TEXTS = (
    "",
    " ",
    "a",
    "A b C",
    "ÄÖÜ ß ẞ straße STRASSE",
    "İstanbul ıI",
    "naïve café re\u0301sume\u0301",
    "日本語 のテキスト",
    "привет, мир",
    "под_черк 1_000 ___",
    "don't e-mail me@example.org http://example.org/?a=1&b=2",
    "1234567890 3.14 1e10 ½ ²",
    "tab\tnew\nline\r\nnul\x00 nbsp\u00a0thin\u2009zero\u200bwidth",
    "🙂👩\u200d👩\u200d👧 free!!! £££ $$$",
    "ﬁne ﬀ Ǆ ǆ",
)


def rows(signature: Signature, sample: Sample) -> list[Row]:
    """Return rows that a model must answer alike, the same for the same sample.

    Parameters
    ----------
    signature : Signature
        Ranges, categories, and what is nullable and open.
    sample : Sample
        Rows that it can predict.
    """
    dice = np.random.default_rng(SEED)
    count = max(FEWEST_ROWS, min(MOST_ROWS, MOST_CELLS // len(signature.fields)))
    taken = np.linspace(0, len(sample) - 1, min(count, len(sample))).astype(int)
    seen = [sample.row(index) for index in taken]
    if signature.container == "text":
        texts = [str(row[0]) for row in seen]
        return [*seen, *([text] for text in _texts(texts, dice, count)), *([t] for t in TEXTS)]
    columns = [_cells(field, cells, dice, count) for field, cells in _fields(signature, sample)]
    made = [list(row) for row in zip(*columns, strict=True)]
    return [*seen, *made, *_edges(signature, [*seen[:4], *made[:4]])]


def extremes(signature: Signature, base: Sequence[Row], size: float) -> list[Row]:
    """Return rows with numbers of a size, first one in a row and then all of them."""
    numeric = [index for index, field in enumerate(signature.fields) if field.dtype in ("number",)]
    cells = []
    for row in base:
        for value in (size, -size):
            cells += [[*row[:index], value, *row[index + 1 :]] for index in numeric]
            cells.append([value if i in numeric else cell for i, cell in enumerate(row)])
    return cells


def _fields(signature: Signature, sample: Sample) -> list[tuple[Field, tuple[Cell, ...]]]:
    return list(zip(signature.fields, sample.columns, strict=True))


def _cells(field: Field, seen: Sequence[Cell], dice: np.random.Generator, count: int) -> list[Cell]:
    """Draw a column: values seen, values of the widened range or any category, rare ones."""
    drawn = [seen[index] for index in dice.integers(0, len(seen), count)]
    fresh = _fresh(field, dice, count)
    both = zip(fresh, drawn, _tosses(dice, count, 2), strict=True)
    mixed = [new if toss else old for new, old, toss in both]
    rare = _rare(field)
    if not rare:
        return mixed
    chosen = dice.integers(0, len(rare), count)
    return [
        rare[index] if toss else cell
        for cell, index, toss in zip(mixed, chosen, _tosses(dice, count, RARE), strict=True)
    ]


def _tosses(dice: np.random.Generator, count: int, sides: int) -> list[bool]:
    return [bool(toss == 0) for toss in dice.integers(0, sides, count)]


def _fresh(field: Field, dice: np.random.Generator, count: int) -> list[Cell]:
    if field.closed is not None or field.dtype == "string":
        known: list[Cell] = [*field.categories] or [UNSEEN]
        return [known[index] for index in dice.integers(0, len(known), count)]
    if field.dtype == "boolean":
        return [bool(toss) for toss in dice.integers(0, 2, count)]
    low, high = float(field.minimum or 0), float(field.maximum or 0)
    width = WIDER * (high - low or 1.0)
    drawn = dice.uniform(low - width, high + width, count)
    return [int(each) for each in drawn] if field.dtype == "integer" else drawn.tolist()


def _rare(field: Field) -> list[Cell]:
    missing: list[Cell] = [None] if field.nullable else []
    if field.dtype != "string" or not field.open:
        return missing
    return [*missing, UNSEEN, "", "nan", "Ünseen"]


def edges(field: Field) -> list[Cell]:
    """Return a field's own edge values: zeros, ends of its range, missing, unknown."""
    cells = _rare(field)
    if field.closed is not None or field.dtype == "string":
        return [*cells, *field.categories]
    if field.dtype == "boolean":
        return [*cells, True, False]
    low, high = field.minimum or 0, field.maximum or 0
    if field.dtype == "integer":
        return [*cells, 0, 1, -1, int(low), int(high), int(low) - 1, int(high) + 1, 10**6, -(10**6)]
    near = [math.nextafter(end, end + step) for end in (low, high) for step in (-1, 1)]
    far = [high + 10 * (high - low), low - 10 * (high - low), 1e6, -1e6]
    single = [float(np.float32(end)) for end in (low, high)]
    return [*cells, 0.0, -0.0, 1e-30, low, high, *near, *far, *single]


def _edges(signature: Signature, base: Sequence[Row]) -> list[Row]:
    """Put each edge value of each field into some rows, and all fields at their edges at once."""
    edge_rows: list[Row] = []
    per_field = [edges(field) for field in signature.fields]
    for index, values in enumerate(per_field):
        chosen = base[index % len(base)]
        edge_rows += [[*chosen[:index], value, *chosen[index + 1 :]] for value in values]
    for position in range(max(map(len, per_field))):
        edge_rows.append([values[position % len(values)] for values in per_field])
    zero = [0 if field.dtype in ("number", "integer") else None for field in signature.fields]
    full = zip(zero, base[0], signature.fields, strict=True)
    edge_rows.append(
        [cell if value is None or field.closed else value for value, cell, field in full]
    )
    return edge_rows


def _texts(seen: Sequence[str], dice: np.random.Generator, count: int) -> list[str]:
    """Shuffle the sample's words into new texts, some in other letters and with marks between."""
    words = sorted({word for text in seen for word in text.split()}) or ["word"]
    marks = (" ", "  ", ", ", "-", "_", "\n", ". ", "'")
    made = []
    for _ in range(count):
        length = int(dice.integers(0, 30))
        chosen = [words[index] for index in dice.integers(0, len(words), length)]
        text = marks[int(dice.integers(0, len(marks)))].join(chosen)
        made.append((text, text.upper(), text.title(), text + text)[int(dice.integers(0, 4))])
    return made
