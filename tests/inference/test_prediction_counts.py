"""What the model answered, counted up and told in a line of the log now and then."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.inference.asking import IRIS_ROW, VIRGINICA_ROW, Asked
from tridock.assurance.drift import prediction_shift
from tridock.inference.bundle import baseline
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.data.field import Field
from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.data.table import Table
from tridock.inference.model.model import Model
from tridock.inference.monitoring import summary_log
from tridock.inference.monitoring import summary_log as confidence
from tridock.inference.monitoring.prediction_counts import MOST_LABELS, PredictionCounts, Reservoir
from tridock.inference.process.model_server import ModelServer, wait_ready
from tridock.inference.scheduling.batched_model import BatchedModel

Array = npt.NDArray[Any]


class Coin:
    """An engine of two classes that is as sure as its row says; nobody may ask for too much."""

    name = "coin"
    classes = ()
    outputs = 1

    def predict(self, table: Any, *, probabilities: bool) -> tuple[Array, Any]:
        first = table.matrix()[:, 0]
        shares = np.column_stack((first, 1 - first))
        told = (shares, shares[::-1])[: self.outputs]
        return np.where(first > 0.5, "heads", "tails"), told if self.outputs > 1 else told[0]

    codes = predict


def coin(*, probabilities: bool = True) -> Model:
    output = OutputSignature(
        "classification", "string", ("heads", "tails"), probabilities=probabilities
    )
    return Model(Coin(), Signature((Field("p", "number"),), "array"), output)


def row(value: float) -> Table:
    return Table("array", (np.array([[value]]),))


def numbered(first: int, count: int) -> Table:
    return Table("array", (np.arange(float(first), first + count).reshape(-1, 1),))


def table(count: int) -> Table:
    return numbered(0, count)


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 20))
def test_a_reservoir_keeps_as_many_rows_as_it_can_each_of_them_once(
    sizes: list[int], size: int
) -> None:
    reservoir, first = Reservoir(size, Random(1)), 0
    for count in sizes:
        reservoir.see(numbered(first, count))
        first += count
    kept = [int(each.matrix()[0, 0]) for each in reservoir.kept]
    assert reservoir.seen == first
    assert len(set(kept)) == len(kept) == min(first, size)
    assert set(kept) <= set(range(first))


def test_every_row_is_as_likely_to_be_kept_as_any_other() -> None:
    dice, kept = Random(7), Counter[int]()
    for _ in range(2000):
        reservoir = Reservoir(5, dice)
        for start in range(0, 50, 10):
            reservoir.see(numbered(start, 10))
        kept.update(int(each.matrix()[0, 0]) for each in reservoir.kept)
    # 200 of each are to be expected, with a standard deviation of 13.4.
    assert all(abs(kept[index] - 200) < 5 * 13.4 for index in range(50)), kept


def test_a_kept_row_does_not_hold_on_to_its_table() -> None:
    reservoir = Reservoir(1, Random(0))
    reservoir.see(Table("dataframe", (np.zeros(1000),)))
    (kept,) = reservoir.kept
    assert kept.arrays[0].base is None


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=9), max_size=9))
def test_labels_are_counted_over_batches_and_begin_anew(batches: list[list[str]]) -> None:
    prediction_counts = PredictionCounts()
    for batch in batches:
        prediction_counts.take(table(len(batch)), batch)
    drawn = prediction_counts.draw()
    every = [label for batch in batches for label in batch]
    assert (drawn.rows, drawn.predictions) == (len(every), Counter(every))
    assert prediction_counts.draw().predictions == {}


def test_each_form_of_a_prediction_is_counted_by_its_label() -> None:
    for values, label in (
        ([{"prediction": "a", "probabilities": {"a": 1.0}}] * 2, "a"),
        ([True, True], "true"),
        ([[1.5, None]] * 2, "[1.5, null]"),
        ([None, None], "null"),
        ([3, 3], "3"),
    ):
        prediction_counts = PredictionCounts()
        prediction_counts.take(table(2), values)
        assert prediction_counts.draw().predictions == {label: 2}


def test_more_kinds_than_can_be_told_are_not_told_and_not_kept() -> None:
    prediction_counts = PredictionCounts()
    for start in range(0, 30_000, 1000):
        prediction_counts.take(table(1000), [str(start + each) for each in range(1000)])
    assert len(prediction_counts._kinds._counts) < 10_000  # type: ignore[attr-defined]
    drawn = prediction_counts.draw()
    assert (drawn.rows, drawn.predictions) == (30_000, None)
    prediction_counts.take(table(MOST_LABELS), [str(each) for each in range(MOST_LABELS)])
    assert len(prediction_counts.draw().predictions or ()) == MOST_LABELS


numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, min_size=2, max_size=60), st.lists(numbers, min_size=1, max_size=60))
def test_numbers_by_bins_are_as_far_from_the_baseline_as_the_numbers_are(
    then: list[float], now: list[float]
) -> None:
    known = baseline.numeric(then)
    now += [known.edges[0], known.edges[-1]]
    prediction_counts = PredictionCounts(known)
    prediction_counts.take(table(len(now)), now)
    told = prediction_counts.draw().predictions
    assert told is not None
    assert sum(told.values()) == len(now)
    exact = prediction_shift(known, Counter(map(repr, now)))
    assert prediction_shift(known, told) == (exact if exact is None else pytest.approx(exact))


def test_numbers_that_are_missing_are_in_no_bin() -> None:
    prediction_counts = PredictionCounts(baseline.numeric([0.0, 1.0]))
    prediction_counts.take(table(3), [0.5, None, 0.5])
    prediction_counts.read(b'["a script may say anything"]')
    told = prediction_counts.draw().predictions
    assert told is not None
    assert list(told.values()) == [2]


def test_batches_of_several_threads_are_all_counted() -> None:
    prediction_counts = PredictionCounts()

    def take() -> None:
        for _ in range(2000):
            prediction_counts.take(table(3), ["a", "b", "a"])

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drawn = prediction_counts.draw()
    assert (drawn.rows, drawn.predictions) == (24_000, {"a": 16_000, "b": 8000})


def test_the_threshold_is_halfway_from_a_guess_to_certainty() -> None:
    assert confidence.threshold(2) == 0.75
    assert confidence.threshold(3) == pytest.approx(2 / 3)
    assert confidence.threshold(1000) == pytest.approx(0.5, abs=1e-3)


def test_a_model_is_unsure_below_the_threshold_and_of_what_is_no_number() -> None:
    sample = [row(0.99), row(0.75), row(0.74), row(0.5), row(0.26), row(0.1), row(float("nan"))]
    assert confidence.unsure(coin(), sample, seconds=10) == (7, 4)


def test_a_model_of_several_outputs_is_unsure_where_it_is_of_any() -> None:
    several = coin()
    several.runner.outputs = 2  # type: ignore[attr-defined]
    names = ("heads", "tails")
    output = OutputSignature("classification", "string", (names, names), True, (2,))
    model = Model(several.runner, several.signature, output)
    # The second output has the rows in turn; asked for one, then two together.
    assert confidence.unsure(model, [row(0.9), row(0.5), row(0.9)], seconds=10) == (3, 2)


def test_without_time_one_row_is_asked_for_and_no_more() -> None:
    assert confidence.unsure(coin(), [row(0.6)] * 50, seconds=0) == (1, 1)


def test_where_there_are_no_probabilities_nothing_is_said_of_being_sure() -> None:
    assert confidence.unsure(coin(probabilities=False), [row(0.6)], seconds=1) is None
    assert confidence.unsure(coin(), [], seconds=1) is None


def test_a_line_that_would_be_torn_leaves_the_predictions_out() -> None:
    prediction_counts = PredictionCounts()
    prediction_counts.take(row(0.9), ["x" * 5000])
    told = json.loads(summary_log.line(prediction_counts, coin(), 1.0))
    assert (told["rows"], told["predictions"]) == (1, None)


def test_nothing_is_written_while_nothing_comes() -> None:
    lines: list[bytes] = []

    async def look() -> None:
        batched_model = BatchedModel(coin())
        counted = lambda: (batched_model.prediction_counts, batched_model.model)  # noqa: E731
        board = summary_log.SummaryLog(counted, lines.append, seconds=0)
        board.look()
        await board.close()
        assert lines == []
        batched_model.values(row(0.9), probabilities=False)
        board.look()
        board.look()
        await board.close()

    asyncio.run(look())
    (line,) = lines
    assert json.loads(line)["predictions"] == {"heads": 1}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"predictions": ["a", "b", "a"]}', {"a": 2, "b": 1}),
        (b'{"prediction": 3}', {"3": 1}),
        (b'["a"]', {"a": 1}),
        (b'[[1, "a"], [1, "a"]]', {'[1, "a"]': 2}),
        (b'{"predictions": [{"box": [1, 2]}]}', {}),
        (b'["a", ["b"]]', {}),
        (b'{"words": ["a"]}', {}),
        (b"a,b", {}),
        (b"7", {}),
    ],
)
def test_a_scripts_answer_is_counted_where_it_has_the_form_of_predictions(
    body: bytes, told: dict[str, int]
) -> None:
    prediction_counts = PredictionCounts()
    prediction_counts.read(body)
    drawn = prediction_counts.draw()
    assert (drawn.predictions, drawn.rows, drawn.sample) == (told, sum(told.values()), [])


def test_both_ways_of_a_request_are_counted(iris_bundle: Bundle) -> None:
    asked = Asked(iris_bundle)
    asked.post("/predict", {"features": IRIS_ROW})
    asked.post("/predict?probabilities=true", {"features": VIRGINICA_ROW})
    asked.post("/predict", {"instances": [IRIS_ROW] * 100})
    asked.post("/predict", {"features": ["no", "row"]})
    counted = asked.lifecycle.counted()
    assert counted
    drawn = counted[0].draw()
    assert (drawn.rows, drawn.predictions) == (102, {"setosa": 101, "virginica": 1})


def test_the_server_tells_at_its_end_what_each_of_its_processes_answered(
    iris_bundle: Bundle, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    environment = {"TRIDOCK_WORKERS": "2", "TRIDOCK_DRAIN_SECONDS": "0"}
    server = ModelServer.start(iris_bundle.path, log, environment=environment)
    try:
        assert wait_ready(server), server.tail()
        body = {"instances": [IRIS_ROW] * 3}
        for _ in range(10):
            with httpx.Client(trust_env=False) as client:
                client.post(f"{server.url}/predict", json=body).raise_for_status()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(300) == 0
    finally:
        server.stop(grace=10)
    lines = [json.loads(line) for line in log.read_text().splitlines() if '"event"' in line]
    assert sum(line["rows"] for line in lines) == 30
    assert {label for line in lines for label in line["predictions"]} == {"setosa"}
    assert all(0 < line["looked_at"] <= line["rows"] for line in lines)
    assert all(line["low_confidence"] == 0 for line in lines)
