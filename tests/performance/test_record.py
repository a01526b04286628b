"""The arithmetic of the benchmarks: shares, medians, aims, and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.performance.aims import Aim, all_aims
from tests.performance.callers import Tally
from tests.performance.load import Load
from tests.performance.machine import Machine
from tests.performance.record import Cell, Round, Store
from tests.performance.report import Run, markdown, table
from tests.performance.running import Memory
from tests.performance.servers import SERVERS


def load(rate: float, *, connections: int = 32, p99_ms: float = 4.0, non_2xx: int = 0) -> Load:
    return Load(connections, int(rate) + non_2xx, 1.0, 1.0, p99_ms, 9.0, non_2xx, 0)


def cell(server: str, *rates: float, model: str = "logistic", ready: float = 0.5) -> Cell:
    rounds = tuple(Round(load(rate), load(900), load(1100, p99_ms=12)) for rate in rates)
    memory = Memory(80.0, 60.0, 1)
    return Cell(server, model, ready_s=(ready, 9.0, 0.1), memory=memory, rounds=rounds)


def test_a_share_is_of_the_limit_before_and_after() -> None:
    one = Round(load(500), load(900), load(1100, p99_ms=12))
    assert (one.limit_rate, one.share, one.p99_times) == (1000, 0.5, 0.5)


def test_refused_answers_are_not_counted_as_good_ones() -> None:
    assert load(500, non_2xx=70).rate == 500
    one = Round(load(500, non_2xx=70), load(900), load(900))
    assert Cell("fastapi", "loan", rounds=(one,)).bad == 70


def test_of_several_rounds_and_starts_the_median_counts() -> None:
    one = cell("tridock", 900, 500, 800)
    found = one.at(32)
    assert found is not None
    assert found.share == 0.8
    assert one.ready == 0.5
    assert one.at(1) is None


@pytest.mark.parametrize(
    ("aim", "verdict"),
    [
        (Aim("", 0.8, 0.9), "reached"),
        (Aim("", 0.8, 0.4), "missed: 0.5 of it"),
        (Aim("", 90, 180, at_most=True), "missed: 2 of it"),
        (Aim("", 0, 3, at_most=True), "missed"),
        (Aim("", 0.8, None), "not measured"),
    ],
)
def test_an_aim_says_whether_it_was_reached(aim: Aim, verdict: str) -> None:
    assert aim.verdict == verdict


def test_aims_compare_servers_by_their_shares() -> None:
    cells = [cell("tridock", 900), cell("mlserver", 60), cell("bentoml", 30)]
    aims = {
        aim.about: aim
        for aim in all_aims({(one.server, one.model): one for one in cells}, None, None)
    }
    best = aims["logistic, ONNX: times the best of MLServer, LitServe, BentoML, azmlinfsrv"]
    assert best.reached == pytest.approx(15)
    assert aims["forest, ONNX: share of the limit"].reached is None


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    store, one = Store(tmp_path), cell("tridock", 900, 800)
    store.keep("logistic.tridock", one)
    failed = Cell("kserve", "logistic", failed="it ended")
    store.keep("logistic.kserve", failed)
    assert store.cell("tridock", "logistic") == one
    assert store.cell("kserve", "logistic") == failed
    assert store.cell("kserve", "loan") is None


def test_the_report_names_a_server_that_failed_with_its_reason() -> None:
    cells = {("tridock", "logistic"): cell("tridock", 900)}
    cells["kserve", "logistic"] = Cell("kserve", "logistic", failed="ended; log: a|b")
    text = markdown(Run(Machine.seen(), {"logistic": "iris"}, (32,), cells))
    assert f"| {SERVERS['kserve'].title} | failed: ended; log: a\\|b |" in text
    assert "| Tridock, ONNX | 0.900 | 900 |" in text


def test_a_table_has_as_many_columns_in_each_row() -> None:
    lines = table(("a", "b"), [("1", "2")]).splitlines()
    assert [line.count("|") for line in lines] == [3, 3, 3]


def test_a_percentile_is_of_the_good_answers() -> None:
    tally = Tally(seconds=[0.001 * each for each in range(1, 101)])
    assert tally.percentile_ms(50) == pytest.approx(50.5)
    assert Tally().percentile_ms(99) == 0
