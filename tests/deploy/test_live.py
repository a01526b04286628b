"""What live requests and labels say, as arithmetic."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.staging import GATES
from tridock.assurance.gates import Ruling
from tridock.deploy.rollout import labels, live_metrics
from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.metrics import Answer, Metrics, predictions, summed, with_log
from tridock.inference.bundle.baseline import categorical

LIMITS = replace(GATES, minimum_requests=100, error_rate=0.1, latency_p95=50.0)
BASELINE = categorical(["setosa", "virginica"])


def rulings(found: Metrics | None, **limits: float) -> dict[str, Ruling]:
    gates = replace(LIMITS, **limits)  # type: ignore[arg-type]
    verdicts = live_metrics.verdicts(found, gates, BASELINE, kind="live request")
    return {verdict.gate: verdict.ruling for verdict in verdicts}


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_failure_is_told_as_soon_as_no_more_requests_can_mend_it(count: int, bad: int) -> None:
    found = rulings(Metrics(requests=count + bad, errors=bad))
    certain = bad > 0.1 * max(100, count + bad)
    assert (found.get("error_rate") is Ruling.FAILED) == certain
    if not certain and count + bad < 100:
        assert found == {"minimum_requests": Ruling.UNMEASURED}


def test_nothing_measured_is_waited_for_only_where_something_is_demanded() -> None:
    assert rulings(None) == {"minimum_requests": Ruling.UNMEASURED}
    assert rulings(None, minimum_requests=0) == {}
    assert rulings(Metrics(), minimum_requests=0) == {}


def test_each_gate_judges_what_was_measured() -> None:
    found = Metrics(200, 2, 80.0, 0.3, {"setosa": 200})
    assert rulings(found, low_confidence=0.2, prediction_shift=0.4) == {
        "error_rate": Ruling.PASSED,
        "latency_p95": Ruling.FAILED,
        "low_confidence": Ruling.FAILED,
        "prediction_shift": Ruling.FAILED,
    }
    blind = replace(found, latency_p95_ms=None, low_confidence=None, predictions={})
    assert rulings(blind) == {"error_rate": Ruling.PASSED}
    assert rulings(blind, low_confidence=0.2)["low_confidence"] is Ruling.UNMEASURED


def test_answers_are_summed_and_the_callers_mistakes_are_no_failures() -> None:
    answers = [Answer(str(n), ("a",), float(n)) for n in range(1, 20)]
    answers += [
        Answer("bad", (), 1.0, 400),
        Answer("worse", (), 1.0, 500),
        Answer("lost", (), 0, 0),
    ]
    found = summed(answers)
    assert (found.requests, found.errors, found.latency_p95_ms) == (22, 2, 18.0)
    assert found.predictions == {"a": 19}


SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def told(rows: int, later: float = 0.0, **more: object) -> str:
    """Write a line as the model server does, `later` seconds after `SINCE`."""
    time = (SINCE + timedelta(seconds=later)).isoformat()
    return json.dumps({"event": "predictions", "time": time, "rows": rows, **more})


def test_how_sure_the_model_was_is_read_from_its_log() -> None:
    lines = [
        told(10, -1, low_confidence=10),
        told(10, low_confidence=1),
        told(10, 1, low_confidence=4),
        told(10, 2, low_confidence=None),
        '{"event": "predictions"',
        "plain words of predictions",
        '"predictions"',
    ]
    assert with_log(Metrics(5), lines, SINCE) == Metrics(5, low_confidence=0.25)
    assert with_log(Metrics(5), [], SINCE) == Metrics(5)


def test_a_sample_counts_for_all_the_rows_of_its_line() -> None:
    lines = [told(900, low_confidence=1, looked_at=10), told(100, low_confidence=5, looked_at=10)]
    assert with_log(Metrics(), lines, SINCE).low_confidence == pytest.approx(0.14)


def test_predictions_of_the_log_are_added_up_where_the_target_tells_none() -> None:
    lines = [
        told(3, -1, low_confidence=None, predictions={"before": 3}),
        told(3, low_confidence=None, predictions={"yes": 2, "no": 1}),
        "2026-01-01T00:00:01Z stdout F " + told(1, 1, low_confidence=None, predictions={"no": 1}),
    ]
    assert with_log(Metrics(4), lines, SINCE) == Metrics(4, predictions={"yes": 2, "no": 2})
    known = Metrics(4, predictions={"maybe": 4})
    assert with_log(known, lines, SINCE) == known


def test_predictions_that_were_too_many_to_be_told_once_are_not_told_in_part() -> None:
    lines = [
        told(3, low_confidence=None, predictions={"yes": 3}),
        told(99, 1, low_confidence=None, predictions=None),
    ]
    assert with_log(Metrics(102), lines, SINCE).predictions == {}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"predictions": ["a", 1]}', ("a", 1)),
        (b'{"prediction": "a"}', ("a",)),
        (b'["a"]', ("a",)),
        (b'{"error": "no"}', ()),
        (b"a\n", ()),
    ],
)
def test_predictions_are_found_in_each_envelope(body: bytes, found: tuple[object, ...]) -> None:
    assert predictions(body) == found


def test_pairs_of_answers_are_matched_by_request() -> None:
    old = [Answer(str(n), ("a",), 1.0) for n in range(10)]
    new = [replace(one, predictions=("b",) if one.request == "3" else ("a",)) for one in old[:5]]
    verdict, remark = live_metrics.agreement(old, new, replace(GATES, shadow_agreement=0.9))
    assert (verdict.observed, verdict.sample, verdict.ruling) == (0.8, 5, Ruling.FAILED)
    assert remark == "request 3: ['a'] now, ['b'] new"
    few, _ = live_metrics.agreement(
        old, new, replace(GATES, shadow_agreement=0.9, minimum_requests=50)
    )
    assert few.ruling is Ruling.UNMEASURED


def test_labels_come_by_request_or_matched_as_csv_or_json_lines(tmp_path: Path) -> None:
    answers = [Answer("1", ("a",), 1.0), Answer("2", (3,), 1.0), Answer("3", (), 1.0, 500)]
    table = tmp_path / "labels.csv"
    table.write_text("request_id,label\n1,a\n2,3.0\n3,a\n4,a\n")
    assert labels.read(table).count("new", answers) == (2, 2)
    lines = tmp_path / "labels.jsonl"
    lines.write_text('{"deployment": "new", "prediction": 3, "label": 4}\n' * 3)
    assert labels.read(lines).count("new", answers) == (0, 3)
    assert labels.read(lines).count("old", answers) == (0, 0)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "id,label\n1,a\n", "line 2: request_id and label were expected"),
        ("a.jsonl", '{"label": 1}\n', "line 1: request_id and label were expected"),
        ("a.jsonl", "1,a\n", "line 1 is not JSON|line 1: request_id"),
        ("none.csv", None, "cannot be read"),
    ],
)
def test_a_file_without_labels_is_refused_with_its_line(
    name: str, text: str | None, said: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=said):
        labels.read(tmp_path / name)
