"""The proof: a compiled model answers as the fitted one does, on every row it is tried on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.errors import InferenceError
from tridock.inference.model.model import Answers, Engine, Model
from tridock.inference.packaging.compile import trial
from tridock.inference.packaging.compile.trial import Row
from tridock.inference.packaging.sample import Sample

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]
    Scores: TypeAlias = Callable[[Sequence[Row]], Array]

#: Largest difference of a probability, or of a number relative to it or to the spread of
#: predictions, whichever is larger. By the precision of the graph.
TOLERANCE = {"double": 1e-9, "mixed": 1e-5, "single": 1e-5}
#: Sizes of numbers that are tried, the largest first: any, and those of single precision.
SIZES = (1e300, float(np.finfo(np.float32).max), 1e30, 1e15)
#: Rows that are also predicted one at a time.
SINGLES = 16


class DifferenceError(InferenceError):
    """The compiled model answers otherwise than the fitted one; the message says where and what."""


@dataclass(frozen=True)
class Proof:
    """Rows that were tried, and the largest difference of the answers.

    Attributes
    ----------
    rows : int
        Number of rows that were tried.
    tolerance : float
        Allowed difference.
    largest_difference : float
        Found difference.
    largest_number : float or None
        Numbers beyond this were not proven equal, or the fitted model refuses them; None: any.
    """

    rows: int
    tolerance: float
    largest_difference: float
    largest_number: float | None


@dataclass(frozen=True)
class Trial:
    """A fitted model and the rows that a compiled one must answer as it does.

    Attributes
    ----------
    fitted : Model
        The model as it was fitted.
    rows : tuple of Row
        From the sample, generated, at edges and beside thresholds.
    answers : Answers
        The fitted model's.
    spread : float
        Of its numbers on these rows; 1 where they are labels.
    """

    fitted: Model
    rows: tuple[Row, ...]
    answers: Answers
    spread: float

    @classmethod
    def of(cls, fitted: Model, sample: Sample) -> Trial:
        """Choose the rows and ask the fitted model.

        Raises
        ------
        InferenceError
            If it refuses rows that its signature allows.
        """
        rows = trial.rows(fitted.signature, sample)
        with _one_thread():
            if fitted.signature.container != "text":
                rows += beside(fitted.signature, rows, lambda some: _scores(fitted, some))
            answers = ask(fitted, rows)
        return cls(fitted, tuple(rows), answers, _spread(answers, fitted.output))

    def proof(self, compiled: Engine, tolerance: float) -> Proof:
        """Hold a compiled model against the fitted one.

        Parameters
        ----------
        compiled : Engine
            What is to be proven equal.
        tolerance : float
            How far probabilities and numbers may differ; labels may not.

        Raises
        ------
        DifferenceError
            If a label differs, or a number by more than `tolerance`.
        InferenceError
            If the compiled model fails.
        """
        model = Model(compiled, self.fitted.signature, self.fitted.output)
        worst = self._compared(ask(model, self.rows), self.answers, self.rows, tolerance)
        step = max(1, len(self.rows) // SINGLES)
        for index in range(0, len(self.rows), step):
            alone, expected = ask(model, self.rows[index : index + 1]), self.answers
            part = expected.part(index, index + 1)
            difference = self._compared(alone, part, self.rows[index : index + 1], tolerance)
            worst = max(worst, difference)
        with _one_thread():
            largest, tried = self._largest(model, tolerance)
        return Proof(len(self.rows) + tried, tolerance, worst, largest)

    def _largest(self, model: Model, tolerance: float) -> tuple[float | None, int]:
        """Find the largest numbers that are answered alike, and in how many rows they were."""
        if not any(field.dtype == "number" for field in self.fitted.signature.fields):
            return None, 0
        for size in SIZES:
            rows = trial.extremes(self.fitted.signature, self.rows[:3], size)
            try:
                self._compared(ask(model, rows), ask(self.fitted, rows), rows, tolerance)
            except InferenceError as error:
                reason = error
                continue
            return (None if size == SIZES[0] else size), len(rows)
        raise DifferenceError(f"numbers of the size {SIZES[-1]:g} are answered otherwise: {reason}")

    def _compared(
        self, answers: Answers, expected: Answers, rows: Sequence[Row], tolerance: float
    ) -> float:
        numbers = self.fitted.output.dtype == "number" and not self.fitted.output.classes
        if numbers:
            worst = _farthest(answers.labels, expected.labels, self.spread, rows, tolerance)
        else:
            _same(answers.labels, expected.labels, rows)
            worst = 0.0
        for one, other in zip(_tables(answers), _tables(expected), strict=True):
            worst = max(worst, _farthest(one, other, 1.0, rows, tolerance))
        return worst


def ask(model: Model, rows: Sequence[Row]) -> Answers:
    """Answer rows with all the model gives."""
    data = [row[0] for row in rows] if model.signature.container == "text" else list(rows)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        table = model.signature.rows(data)
        return model.answers(table, probabilities=model.output.probabilities)


def _one_thread() -> Any:
    """Keep many small questions from each waking all cores."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def _scores(fitted: Model, rows: Sequence[Row]) -> Array:
    """Return what jumps at a threshold: probabilities, numbers, or which label it is."""
    answers = ask(fitted, rows)
    tables = _tables(answers)
    if tables:
        return np.concatenate(tables, axis=1)
    labels = answers.labels.reshape(len(rows), -1)
    if labels.dtype.kind in "biuf":
        return labels.astype(float)
    known = {str(label): index for index, label in enumerate(fitted.classes)}
    return np.array([[known.get(str(cell), -1) for cell in row] for row in labels], dtype=float)


def _tables(answers: Answers) -> list[Array]:
    if answers.shares is None:
        return []
    return list(answers.shares) if isinstance(answers.shares, tuple) else [answers.shares]


def _same(given: Array, expected: Array, rows: Sequence[Row]) -> None:
    if given.shape != expected.shape:
        raise DifferenceError(f"labels of shape {given.shape} came, not {expected.shape}")
    wrong = np.flatnonzero((given != expected).reshape(len(rows), -1).any(axis=1))
    if len(wrong):
        first = int(wrong[0])
        raise DifferenceError(
            f"{len(wrong)} of {len(rows)} rows get another label, as {_brief(rows[first])}: "
            f"{given[first]!s}, not {expected[first]!s}"
        )


def _farthest(
    given: Array, expected: Array, spread: float, rows: Sequence[Row], tolerance: float
) -> float:
    """Return the largest difference, or refuse one beyond the tolerance."""
    if given.shape != expected.shape:
        raise DifferenceError(f"numbers of shape {given.shape} came, not {expected.shape}")
    one, other = given.astype(float), expected.astype(float)
    with np.errstate(all="ignore"):
        apart = np.abs(one - other) / np.maximum(np.abs(other), spread)
    apart[(one == other) | (np.isnan(one) & np.isnan(other))] = 0.0
    apart[np.isnan(apart)] = np.inf
    by_row = apart.reshape(len(rows), -1).max(axis=1)
    first = int(by_row.argmax())
    if by_row[first] > tolerance:
        raise DifferenceError(
            f"{int((by_row > tolerance).sum())} of {len(rows)} rows differ by more than "
            f"{tolerance:g}, as {_brief(rows[first])} by {by_row[first]:.3g}"
        )
    return float(by_row[first])


def _spread(answers: Answers, output: OutputSignature) -> float:
    if output.dtype != "number" or output.classes:
        return 1.0
    finite = answers.labels[np.isfinite(answers.labels)]
    return float(finite.std()) or 1.0 if finite.size else 1.0


def _brief(row: Row) -> str:
    cells: list[Any] = list(row)
    text = repr([cell.item() if isinstance(cell, np.generic) else cell for cell in cells])
    return text if len(text) <= 120 else text[:120] + "..."


# Where a model's answer jumps: rows on both sides of its thresholds, found by halving.

SEED = 7
#: Pairs of rows that are halved side by side.
PAIRS = 48
#: Halvings until two doubles are neighbours: 64 bits, less where both have one exponent.
MOST_HALVINGS = 70
#: Halvings after which an answer that goes over smoothly has changed by next to nothing.
SMOOTH_AFTER = 24
SMOOTH = 1e-5


def beside(signature: Signature, base: Sequence[Row], scores: Scores) -> list[Row]:
    """Return rows on both sides of thresholds, and at the single-precision numbers around.

    Parameters
    ----------
    signature : Signature
        What the rows hold.
    base : sequence of Row
        Rows to vary, one number in each.
    scores : callable
        The model's scores of rows.
    """
    numeric = [i for i, field in enumerate(signature.fields) if field.dtype == "number"]
    if not numeric or not base:
        return []
    dice = np.random.default_rng(SEED)
    rows = [list(base[index]) for index in dice.integers(0, len(base), PAIRS)]
    columns = [numeric[index] for index in dice.integers(0, len(numeric), PAIRS)]
    ends = [_ends(signature, column, dice) for column in columns]
    low, high = _halved(rows, columns, np.array(ends), scores)
    beyond: list[Row] = []
    for row, column, left, right in zip(rows, columns, low, high, strict=True):
        if not math.isnan(left):
            beyond += [_put(row, column, value) for value in _around(left, right)]
    return beyond


def _ends(signature: Signature, column: int, dice: np.random.Generator) -> tuple[float, float]:
    field = signature.fields[column]
    low, high = float(field.minimum or 0), float(field.maximum or 0)
    width = high - low or 1.0
    first, second = dice.uniform(low - 0.1 * width, high + 0.1 * width, 2)
    return min(first, second), max(first, second)


def _halved(
    rows: Sequence[Row], columns: Sequence[int], ends: Array, scores: Scores
) -> tuple[Array, Array]:
    """Close in on the first jump between each pair of ends; NaN where there is none."""

    def asked(values: Array) -> Array:
        pairs = zip(rows, columns, values.tolist(), strict=True)
        return scores([_put(row, column, value) for row, column, value in pairs])

    low, high = ends[:, 0].copy(), ends[:, 1].copy()
    at_low, at_high = asked(low), asked(high)
    whole = _distance(at_low, at_high)
    for halving in range(MOST_HALVINGS):
        middle = low / 2 + high / 2
        if ((middle <= low) | (middle >= high)).all():
            break
        at_middle = asked(middle)
        left = _distance(at_low, at_middle) > 0
        high, at_high = np.where(left, middle, high), np.where(left[:, None], at_middle, at_high)
        low, at_low = np.where(left, low, middle), np.where(left[:, None], at_low, at_middle)
        jump = _distance(at_low, at_high)
        if halving == SMOOTH_AFTER and (jump <= SMOOTH * whole).all():
            break
    none = (_distance(at_low, at_high) <= SMOOTH * whole) | (whole == 0)
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def _distance(one: Array, other: Array) -> Array:
    difference = np.nan_to_num(np.abs(one - other), nan=0.0, posinf=1.0)
    return np.asarray(difference.max(axis=1), dtype=float)


def _around(low: float, high: float) -> list[float]:
    """Return the two sides of a threshold, and their neighbours in both precisions."""
    numbers = [low, high, math.nextafter(low, -math.inf), math.nextafter(high, math.inf)]
    for value in (low, high):
        single = np.float32(value)
        near = [
            single,
            np.nextafter(single, np.float32(-3e38)),
            np.nextafter(single, np.float32(3e38)),
        ]
        numbers += [float(each) for each in near]
    return numbers


def _put(row: Row, column: int, value: Any) -> Row:
    return [*row[:column], value, *row[column + 1 :]]
