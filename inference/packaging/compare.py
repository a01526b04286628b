"""The comparison at packaging: a bundle answers the sample's rows as the fitted model does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import Compared
from tridock.inference.codec.body import dumps
from tridock.inference.errors import InferenceError, PackagingError
from tridock.inference.messages import Call
from tridock.inference.model import engine
from tridock.inference.model.model import Model, jsonable
from tridock.inference.model.sklearn_engine import Estimator
from tridock.inference.packaging import sample_column
from tridock.inference.packaging.request_bodies import FORMS, Form, Predictions, Row
from tridock.inference.packaging.sample import Sample
from tridock.inference.scheduling.batched_model import BatchedModel
from tridock.inference.score import Loaded
from tridock.inference.web.predict_route import answered, read_call

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

#: Rows that are compared, taken evenly over a larger sample; fewer where they are wide.
ROWS = 10_000
CELLS = 2_000_000
#: Rows in one request.
CHUNK = 1000
#: Allowed difference of the stored model, which may add up in another order.
TOLERANCE = 1e-9
#: Rows that differ which are shown, and the characters of each.
SHOWN = 3
SHOWN_CHARACTERS = 300


def compare(bundle: Bundle, fitted: Model, sample: Sample) -> Compared:
    """Send the sample's rows to a bundle on the path that serves them.

    Parameters
    ----------
    bundle : Bundle
        As it will be served.
    fitted : Model
        The fitted estimator itself, not what the bundle loads.
    sample : Sample
        Rows that it can predict.

    Raises
    ------
    PackagingError
        If an answer differs, or a row is refused; the message shows the first such rows.
    """
    comparison = _Comparison(bundle, fitted, sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        differences = [
            comparison.difference(model, form) for model in _models(bundle) for form in FORMS
        ]
        differences.append(comparison.decisions())
    no_csv = sum(not FORMS[1].carries(fitted.signature, row) for row in comparison.rows)
    return Compared(len(comparison.rows), no_csv, max(differences))


def _models(bundle: Bundle) -> Iterator[Model]:
    """Load the compiled model, if there is one, and the stored one."""
    for name in ("onnx", "joblib"):
        if name == "joblib" or bundle.manifest.compiled:
            model = engine.model(bundle, {engine.ENGINE: name})
            assert model is not None  # noqa: S101
            yield model


@dataclass(frozen=True)
class _Comparison:
    bundle: Bundle
    fitted: Model
    sample: Sample

    @cached_property
    def indices(self) -> list[int]:
        """The rows of the sample that are compared."""
        many = len(self.sample)
        count = min(many, ROWS, max(1, CELLS // len(self.sample.columns)))
        return [int(index) for index in np.unique(np.linspace(0, many - 1, count).astype(int))]

    @cached_property
    def rows(self) -> list[Row]:
        return [self.sample.row(index) for index in self.indices]

    @cached_property
    def expected(self) -> Predictions:
        return self._direct()

    @cached_property
    def spread(self) -> float:
        """The standard deviation of numbers that are predicted; 1 for labels."""
        if not self._is_numeric:
            return 1.0
        numbers = np.array(self.expected.labels, dtype=float)
        finite = numbers[np.isfinite(numbers)]
        return float(finite.std()) or 1.0 if finite.size else 1.0

    @cached_property
    def _is_numeric(self) -> bool:
        return self.fitted.output.dtype == "number" and not self.fitted.output.classes

    def _direct(self) -> Predictions:
        """Ask the fitted model itself, with the sample as it was given."""
        output = self.fitted.output
        answers = self.fitted.answers(
            self.sample.take(self.indices), probabilities=output.probabilities
        )
        return Predictions.of(answers.values(), output)

    def difference(self, model: Model, form: Form) -> float:
        """Return the largest difference of one model's answers in one form."""
        compiled = self.bundle.manifest.compiled
        is_compiled = model.engine == "onnx"
        tolerance = max(TOLERANCE, compiled.tolerance) if compiled and is_compiled else TOLERANCE
        carried = [
            index for index, row in enumerate(self.rows) if form.carries(self.fitted.signature, row)
        ]
        worst = 0.0
        for start in range(0, len(carried), CHUNK):
            chosen = carried[start : start + CHUNK]
            served = self._served(model, form, chosen)
            apart = self._apart(served, self.expected.take(chosen))
            if (apart > tolerance).any():
                raise PackagingError(self._explained(served, chosen, apart, tolerance, form))
            worst = max(worst, float(apart.max()))
        return worst

    def decisions(self) -> float:
        """Return the largest difference of decision values, which no request can ask for."""
        if self.fitted.output.probabilities:
            return 0.0
        stored = engine.model(self.bundle, {engine.ENGINE: "joblib"})
        direct, loaded = self.fitted.runner, stored.runner if stored else None
        if not isinstance(direct, Estimator) or not isinstance(loaded, Estimator):
            return 0.0
        expected = direct.decisions(self.sample.take(self.indices))
        if expected is None:
            return 0.0
        inputs = self.rows
        if self.fitted.signature.container == "text":
            inputs = [row[0] for row in self.rows]  # type: ignore[misc]
        served = loaded.decisions(self.fitted.signature.rows(inputs))
        apart = _distance(np.asarray(served), expected, float(np.std(expected)) or 1.0)
        if (apart > TOLERANCE).any():
            values = Predictions(jsonable(served), np.empty((len(expected), 0)))
            wanted = Predictions(jsonable(expected), np.empty((len(expected), 0)))
            raise PackagingError(self._shown(values, wanted, range(len(apart)), apart > TOLERANCE))
        return float(apart.max())

    def _served(self, model: Model, form: Form, chosen: Sequence[int]) -> Predictions:
        output = self.fitted.output
        body = form.body(model.signature, output, [self.rows[index] for index in chosen])
        headers = {"content-type": form.media, "accept": "application/json"}
        call = Call(headers, body, len(body), probabilities=output.probabilities)
        try:
            request = read_call(call, Loaded(self.bundle, model, None))
            return form.read(answered(request, BatchedModel(model)).body, output)
        except InferenceError as error:
            first, last = self.indices[chosen[0]], self.indices[chosen[-1]]
            raise PackagingError(
                f"rows {first} to {last} of the sample are refused when they come as {form.name}: "
                f"{error} (counted from row {first})"
            ) from error

    def _apart(self, predictions: Predictions, expected: Predictions) -> Array:
        """Return each row's largest difference; infinite for another label."""
        if self._is_numeric:
            numbers = np.array(predictions.labels, dtype=float)
            apart = _distance(numbers, np.array(expected.labels, dtype=float), self.spread)
        else:
            pairs = zip(predictions.labels, expected.labels, strict=True)
            apart = np.array([0.0 if one == other else np.inf for one, other in pairs])
        if predictions.shares.shape[1]:
            apart = np.maximum(apart, _distance(predictions.shares, expected.shares, 1.0))
        return apart

    def _explained(
        self,
        predictions: Predictions,
        chosen: Sequence[int],
        apart: Array,
        tolerance: float,
        form: Form,
    ) -> str:
        if (self._apart(self._direct(), self.expected) > tolerance).any():
            return (
                "the model predicts the same rows differently each time, so it cannot be compared: "
                "fix its random numbers"
            )
        expected = self.expected.take(chosen)
        return self._shown(predictions, expected, chosen, apart > tolerance, f" as {form.name}")

    def _shown(
        self,
        predictions: Predictions,
        expected: Predictions,
        chosen: Sequence[int],
        wrong: Array,
        form: str = "",
    ) -> str:
        """Show the first rows that differ: number, input, expected, got."""
        lines = [
            f"row {self.indices[chosen[at]]}, {_brief(self._named(chosen[at]))}: the fitted model "
            f"gives {_answer(expected, at)}, the bundle {_answer(predictions, at)}"
            for at in np.flatnonzero(wrong)[:SHOWN]
        ]
        return (
            f"{int(wrong.sum())} of {len(wrong)} rows of the sample are predicted otherwise when "
            f"they are served{form}. " + "; ".join(lines) + self._advice()
        )

    def _named(self, index: int) -> Any:
        return dict(zip(self.sample.names, self.rows[index], strict=True))

    def _advice(self) -> str:
        """Name a column with several kinds of missing values: a request has null alone."""
        if self.sample.container == "dataframe":
            for name in self.sample.names:
                kinds = sample_column.missing_kinds(self.sample.data[name])
                if len(kinds) > 1:
                    return (
                        f". Column {name!r} holds missing values of {len(kinds)} kinds "
                        f"({', '.join(sorted(kinds))}), and a request has null for all: fit the "
                        "model on one kind"
                    )
        return ". The model depends on how its columns are typed: convert them before fitting"


def _distance(numbers: Array, expected: Array, spread: float) -> Array:
    """Return each row's largest difference, relative to the number or to `spread` if larger."""
    with np.errstate(all="ignore"):
        apart = np.abs(numbers - expected) / np.maximum(np.abs(expected), spread)
    apart[(numbers == expected) | (np.isnan(numbers) & np.isnan(expected))] = 0.0
    apart[np.isnan(apart)] = np.inf
    by_row: Array = apart.reshape(len(apart), -1).max(axis=1)
    return by_row


def _answer(predictions: Predictions, index: int) -> str:
    shares = predictions.shares[index].tolist()
    probabilities = f" with probabilities {shares}" if shares else ""
    return _brief(predictions.labels[index]) + probabilities


def _brief(value: Any) -> str:
    text = dumps(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."
