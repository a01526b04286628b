"""Requests predicted together: each its own rows or its own error, none dependent on another."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tridock.inference import score
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.data.field import Field
from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.errors import InvalidInputError, OverloadedError, ScoringError
from tridock.inference.model.model import Model
from tridock.inference.scheduling.batched_model import BLOCK, BatchedModel
from tridock.inference.scheduling.batcher import Batcher

SIGNATURE = Signature((Field("a", "number"), Field("b", "integer", nullable=True)), "dataframe")


@dataclass
class Sums:
    """An engine that adds up each row, tells how many rows it was asked for, and may be held."""

    name: str = "sums"
    asked: list[int] = field(default_factory=list)
    gate: threading.Event | None = None

    def predict(self, table: Any, *, probabilities: bool) -> tuple[Any, None]:
        first, second = table.arrays
        self.asked.append(len(first))
        if self.gate:
            self.gate.wait(10)
        if (first == 13).any():
            raise ScoringError("the model failed: thirteen")
        if second.dtype.kind == "f" and (np.nan_to_num(second) == 2).any():
            raise ScoringError("a whole number came as another one")
        return first + np.nan_to_num(second), None


def sums(*, block: bool = False, gate: threading.Event | None = None) -> BatchedModel:
    return BatchedModel(
        Model(Sums(gate=gate), SIGNATURE, OutputSignature("other", "number")), block=block
    )


def engine(batched_model: BatchedModel) -> Sums:
    assert isinstance(batched_model.model.runner, Sums)
    return batched_model.model.runner


def told(batched_model: BatchedModel, *asked: Any) -> list[Any]:
    outcomes = batched_model.outcomes(asked, probabilities=False)
    return [str(each) if isinstance(each, Exception) else each for each in outcomes]


def test_requests_are_predicted_in_one_go_and_each_gets_its_rows() -> None:
    batched_model = sums()
    assert told(batched_model, [[1, 1]], [[2, 2], {"a": 3, "b": 3}], [[4, 4]]) == [[2], [4, 6], [8]]
    assert engine(batched_model).asked == [4]


def test_a_request_that_does_not_fit_spoils_no_other() -> None:
    batched_model = sums()
    found = told(batched_model, [[1, 1]], [["x", 2]], [[4, 4]], [])
    assert found[0] == [2]
    assert found[1] == 'row 0, field "a": expected a number, got "x"'
    assert found[2] == [8]
    assert found[3] == "no rows came: send at least one"


def test_rows_that_the_model_fails_on_spoil_no_others() -> None:
    batched_model = sums()
    assert told(batched_model, [[1, 1]], [[13, 0]], [[4, 4]]) == [
        [2],
        "the model failed: thirteen",
        [8],
    ]


def test_a_null_of_one_caller_does_not_change_the_columns_of_another() -> None:
    assert told(sums(), [[1, 2]], [[5, None]], [[3, 2]]) == [[3], [5], [5]]


def test_whole_blocks_are_filled_up_where_the_model_needs_them() -> None:
    batched_model = sums(block=True)
    assert told(batched_model, [[1, 1]], [[2, 2]]) == [[2], [4]]
    assert engine(batched_model).asked == [BLOCK]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(0, 8), min_size=4, max_size=4), min_size=2, max_size=BLOCK))
def test_answers_are_the_same_to_the_last_bit_alone_and_together(
    iris_bundle: Bundle, rows: list[list[float]]
) -> None:
    score.init(iris_bundle.path)
    loaded = score.loaded()
    assert loaded
    assert loaded.model
    examples = [each.input for each in iris_bundle.manifest.examples]
    batched_model = BatchedModel.of(loaded.model, examples)
    asked = [[row] for row in rows]
    alone = [batched_model.outcomes([each], probabilities=True)[0] for each in asked]
    assert batched_model.outcomes(asked, probabilities=True) == alone
    assert batched_model.outcomes(asked[::-1], probabilities=True) == alone[::-1]


def test_a_model_seen_to_depend_on_the_number_of_rows_is_asked_in_blocks() -> None:
    class Fickle(Sums):
        def predict(self, table: Any, *, probabilities: bool) -> tuple[Any, None]:
            return table.arrays[0] * len(table.arrays[0]), None

    steady = sums().model
    assert not BatchedModel.of(steady, [[1.0, 2]]).block
    assert BatchedModel.of(replace(steady, runner=Fickle()), [[1.0, 2]]).block
    assert BatchedModel.of(steady, []).block


def test_what_comes_while_a_prediction_runs_waits_for_the_next_one_together() -> None:
    gate = threading.Event()
    batched_model = sums(gate=gate)

    async def scene() -> list[Any]:
        batcher = Batcher(queue=10, patience=5)
        first = asyncio.create_task(batcher.predict(batched_model, [[1, 1]], False))
        while not engine(batched_model).asked:
            await asyncio.sleep(0.001)
        rest = [
            asyncio.create_task(batcher.predict(batched_model, [[number, 0]], False))
            for number in range(5)
        ]
        await asyncio.sleep(0)
        gate.set()
        return list(await asyncio.gather(first, *rest))

    assert asyncio.run(scene()) == [[2], [0], [1], [2], [3], [4]]
    assert engine(batched_model).asked == [1, 5]


def crowd(batcher: Batcher, *late: Any) -> list[Any]:
    """Hold the first prediction, let the others come, then free it."""
    gate = threading.Event()
    batched_model = sums(gate=gate)

    async def scene() -> list[Any]:
        first = asyncio.create_task(batcher.predict(batched_model, [[1, 1]], False))
        while not engine(batched_model).asked:
            await asyncio.sleep(0.001)
        rest = [asyncio.create_task(batcher.predict(batched_model, rows, False)) for rows in late]
        await asyncio.sleep(0.05)
        gate.set()
        return list(await asyncio.gather(first, *rest, return_exceptions=True))

    return asyncio.run(scene())


def test_a_full_queue_refuses_at_once() -> None:
    first, second, third = crowd(Batcher(queue=1, patience=5), [[2, 2]], [[3, 3]])
    assert (first, second) == ([2], [4])
    assert isinstance(third, OverloadedError)
    assert "1 requests are waiting, as many as fit" in str(third)


def test_what_waited_too_long_is_refused_rather_than_begun() -> None:
    first, second = crowd(Batcher(queue=5, patience=0.01), [[2, 2]])
    assert first == [2]
    assert "has waited for more than 0.01 seconds" in str(second)


def test_an_error_reaches_the_one_who_waits_for_it() -> None:
    async def scene() -> None:
        await Batcher(queue=1, patience=1).predict(sums(), [["x", 1]], False)

    with pytest.raises(InvalidInputError, match="expected a number"):
        asyncio.run(scene())
