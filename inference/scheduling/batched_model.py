"""Requests predicted together, each with its own rows or its own error, as if it were alone."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Hashable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from tridock.inference.errors import RequestError
from tridock.inference.model.model import Model
from tridock.inference.monitoring.prediction_counts import PredictionCounts

if TYPE_CHECKING:
    from tridock.inference.data.table import Table

#: What becomes of one request's rows: a JSON-ready value for each, or why there is none.
Outcome: TypeAlias = list[Any] | Exception

#: Most rows that are predicted together.
BLOCK = 32
#: Seconds in which `BatchedModel.of` finds out whether a model needs whole blocks.
TRIAL_SECONDS = 0.03
TRIAL_ROWS = 48
TRIAL_SIZES = (2, 3, 5, 8, 13, 21, BLOCK)

log = logging.getLogger(__name__)


class BatchedModel:
    """A model that predicts the rows of many callers at once.

    A caller's answer must not depend on the other callers of the same moment. A matrix product may:
    linear algebra libraries choose their order of summation by the number of rows, and the last
    digit of a probability with it. So where a model is not seen to be free of that, it is always
    run in blocks of `BLOCK` rows, filled up by repeating one.

    Parameters
    ----------
    model : Model
        The model that predicts.
    block : bool
        Whether it always has to predict whole blocks.
    prediction_counts : PredictionCounts, optional
        Counts what it answers.

    Attributes
    ----------
    prediction_counts : PredictionCounts
        What counts.
    """

    def __init__(
        self, model: Model, *, block: bool = True, prediction_counts: PredictionCounts | None = None
    ) -> None:
        self.model = model
        self.block = block
        self.prediction_counts = prediction_counts or PredictionCounts()
        self.is_text = model.signature.container == "text"

    @classmethod
    def of(
        cls,
        model: Model,
        examples: Sequence[Any],
        prediction_counts: PredictionCounts | None = None,
    ) -> BatchedModel:
        """Find out, within `TRIAL_SECONDS`, whether a model has to predict whole blocks.

        Parameters
        ----------
        examples : sequence
            Rows the model takes.
        prediction_counts : PredictionCounts, optional
            Counts what it answers from then on.
        """
        return cls(
            model,
            block=not (examples and _is_free(model, examples)),
            prediction_counts=prediction_counts,
        )

    def outcomes(self, sent_rows: Sequence[Any], *, probabilities: bool) -> list[Outcome]:
        """Predict the rows of many requests; `sent_rows` is what each of them sent, in order."""
        outcomes: dict[int, Outcome] = {}
        for group, table in self._tables(sent_rows, outcomes):
            self._predict(group, table, sent_rows, outcomes, probabilities)
        return [outcomes[index] for index in range(len(sent_rows))]

    def values(self, table: Table, *, probabilities: bool) -> list[Any]:
        """Predict one table; return a JSON-ready value for each row.

        Raises
        ------
        RequestError
            As `Model.answers` does.
        """
        whole = table.padded(BLOCK) if self.block and table.count < BLOCK else table
        answers = self.model.answers(whole, probabilities=probabilities)
        values = answers.part(0, table.count).values()
        self.prediction_counts.take(table, values)
        return values

    def _tables(
        self, sent_rows: Sequence[Any], outcomes: dict[int, Outcome]
    ) -> list[tuple[list[int], Table]]:
        """Check what came; what is of one kind becomes one table. Errors go to `outcomes`."""
        plain = [index for index, row in enumerate(sent_rows) if _is_plain(row)]
        rest = [index for index in range(len(sent_rows)) if index not in set(plain)]
        tables: list[tuple[list[int], Table]] = []
        try:
            if plain:
                every = list(chain.from_iterable(sent_rows[index] for index in plain))
                tables.append((plain, self.model.signature.check.table(every)))
        except RequestError:
            rest = sorted(plain + rest)
        return tables + self._checked_alone(rest, sent_rows, outcomes)

    def _checked_alone(
        self, indices: list[int], sent_rows: Sequence[Any], outcomes: dict[int, Outcome]
    ) -> list[tuple[list[int], Table]]:
        kinds: dict[Hashable, tuple[list[int], list[Table]]] = {}
        for index in indices:
            try:
                table = self.model.signature.check.table(sent_rows[index])
            except Exception as error:  # any error goes to its own caller
                outcomes[index] = error
                continue
            group, tables = kinds.setdefault(table.kind, ([], []))
            group.append(index)
            tables.append(table)
        return [(group, tables[0].followed_by(tables[1:])) for group, tables in kinds.values()]

    def _predict(
        self,
        group: list[int],
        table: Table,
        sent_rows: Sequence[Any],
        outcomes: dict[int, Outcome],
        probabilities: bool,
    ) -> None:
        try:
            values = self.values(table, probabilities=probabilities)
        except Exception as error:  # any error goes to those it concerns
            if len(group) == 1:
                outcomes[group[0]] = error
                return
            for index in group:
                outcomes[index] = self.outcomes([sent_rows[index]], probabilities=probabilities)[0]
            return
        start = 0
        for index in group:
            stop = start + len(sent_rows[index])
            outcomes[index] = values[start:stop]
            start = stop


def _is_plain(data: Any) -> bool:
    """Tell whether rows may be checked together with others.

    A column of whole numbers becomes one of floating-point numbers by a single null in it.
    """
    if type(data) is not list or not data:
        return False
    for row in data:
        if type(row) is list:
            if None in row:
                return False
        elif row is None or (type(row) is dict and None in row.values()):
            return False
    return True


def _is_free(model: Model, examples: Sequence[Any]) -> bool:
    """Tell whether rows are seen to be answered the same, to the last bit, alone and with others.

    What cannot be seen in the time there is, which is the processor's, counts as not.
    """
    end = time.thread_time() + TRIAL_SECONDS
    dice = random.Random(0)
    table = model.signature.rows([_varied(model, row, dice) for row in _cycle(examples)])
    alone: list[Any] = []
    for size in (1, *TRIAL_SIZES):
        batched_model: list[Any] = []
        for start in range(0, TRIAL_ROWS, size):
            if time.thread_time() > end:
                return False
            answers = model.answers(
                table.part(start, start + size), probabilities=model.output.probabilities
            )
            batched_model += answers.values()
        alone = alone or batched_model
        if batched_model != alone:
            return False
    return True


def _cycle(examples: Sequence[Any]) -> list[Any]:
    return [examples[index % len(examples)] for index in range(TRIAL_ROWS)]


def _varied(model: Model, row: Any, dice: random.Random) -> list[Any]:
    """Put numbers of the fields' ranges into an example row."""
    cells = row if isinstance(row, list) else [row]
    varied = []
    for field, cell in zip(model.signature.fields, cells, strict=True):
        measure = field.dtype == "number" and field.minimum is not None and field.closed is None
        if measure and field.maximum is not None and cell is not None:
            cell = dice.uniform(field.minimum or 0.0, field.maximum)
        varied.append(cell)
    return varied
