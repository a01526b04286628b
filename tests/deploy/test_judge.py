from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.memory import MemoryTarget
from tests.deploy.staging import GATES, name_of, released, true_answers
from tridock.assurance.gates import Ruling
from tridock.deploy.rollout.judge import Judge
from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.probes import Probe, Timed, check_request, probes, same
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.packaging.package import About, package_script

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1000, 1000)
    | st.floats(-1e6, 1e6)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_is_the_same_as_itself(value: object) -> None:
    assert same(value, value, 0.0)


@given(VALUES, VALUES)
def test_sameness_has_no_direction(one: object, other: object) -> None:
    assert same(one, other, 1e-6) == same(other, one, 1e-6)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (0, 0.0, True),
        (0.1 + 0.2, 0.3, True),
        (1.0, 1.1, False),
        (True, 1, False),
        ("1", 1, False),
        ([1, [2.0]], [1.0, [2]], True),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"b": 1}, False),
    ],
)
def test_numbers_are_compared_by_value(one: object, other: object, equal: bool) -> None:
    assert same(one, other, 1e-6) is equal


def test_each_failure_is_counted_and_the_first_is_told(v1: Bundle) -> None:
    answers = true_answers(v1)
    target = MemoryTarget(answer=lambda name, body: answers[body])
    released(target, v1)
    target.broken = {name_of(v1): "broken"}
    judge = Judge(target, probes(v1, None), replace(GATES, requests=12))
    seen = judge.examine("iris", name_of(v1))
    assert (seen.requests, seen.errors, seen.compared) == (12, 12, 0)
    assert "it is broken" in seen.remark
    rulings = {verdict.gate: verdict.ruling for verdict in judge.verdicts(seen)}
    assert rulings == {
        "error_rate": Ruling.FAILED,
        "latency_p95": Ruling.UNMEASURED,
        "agreement": Ruling.UNMEASURED,
    }


def test_a_request_without_promised_answer_is_not_compared(v1: Bundle) -> None:
    answers = true_answers(v1)
    target = MemoryTarget(answer=lambda name, body: answers.get(body, b"anything"))
    released(target, v1)
    judge = Judge(target, (Probe(b"hello"),), GATES)
    rulings = [each.ruling for each in judge.verdicts(judge.examine("iris", name_of(v1)))]
    assert rulings == [Ruling.PASSED, Ruling.PASSED, Ruling.UNMEASURED]


def test_an_answer_that_was_looked_for_took_as_long_as_its_own_request(v1: Bundle) -> None:
    answers = true_answers(v1)
    target = MemoryTarget(answer=lambda name, body: Timed.of(answers[body], 7.5))
    released(target, v1)
    seen = Judge(target, probes(v1, None), GATES).examine("iris", name_of(v1))
    assert set(seen.latencies) == {7.5}
    assert seen.agreed == seen.compared == 5


@pytest.mark.parametrize("answer", [b"no", b"[]", b'{"prediction": 1}', b'{"predictions": 3}'])
def test_an_answer_of_another_form_does_not_agree(v1: Bundle, answer: bytes) -> None:
    answers = true_answers(v1)
    target = MemoryTarget(answer=lambda name, body: answers[body])
    released(target, v1)
    target.answer = lambda name, body: answer
    seen = Judge(target, probes(v1, None), GATES).examine("iris", name_of(v1))
    assert (seen.errors, seen.agreed, seen.compared) == (0, 0, 5)


def test_a_bundle_without_examples_needs_a_request(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def init(): pass\n\n\ndef run(data): return []\n")
    about = About("script", script=tmp_path / "score.py")
    bundle = package_script(tmp_path / "bundle", about=about)
    with pytest.raises(ConfigError, match="no examples"):
        probes(bundle, None)
    request = tmp_path / "request.json"
    request.write_bytes(b'{"data": 1}\n')
    assert probes(bundle, request) == (Probe(b'{"data": 1}'),)


def test_a_request_that_the_model_refuses_is_refused_before_the_release(
    v1: Bundle, tmp_path: Path
) -> None:
    request = tmp_path / "request.json"
    for good in (b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}', b'{"features": [5.1, 3.5, 1.4, 0.2]}'):
        request.write_bytes(good)
        check_request(v1, request)
    for bad in (b'{"instances": [["a", 1, 1, 1]]}', b'{"rows": 1}', b"no json"):
        request.write_bytes(bad)
        with pytest.raises(ConfigError, match=r"is refused by iris 1: .*leave the key"):
            check_request(v1, request)
