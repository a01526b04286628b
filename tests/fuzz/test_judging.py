"""The fuzzer's own judgement: what it calls a fault, and that its seed decides all it sends."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.shots import shots
from tests.fuzz.templates import SUBJECTS, question
from tests.fuzz.wire import Answer, fault

JSON = "application/json"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(200, JSON, b'{"predictions":[1]}'), ""),
        (Answer(400, JSON, b'{"error":"no","code":"invalid_input"}'), ""),
        (Answer(400, "text/plain", b"no"), ""),
        (Answer(200, "text/csv", b"NaN\n"), ""),
        (Answer(500, JSON, b'{"error":"no","code":"internal"}'), "status 500"),
        (Answer(200, JSON, b'{"predictions":[NaN]}'), "invalid JSON"),
        (Answer(200, JSON, b'{"predictions":'), "invalid JSON"),
        (Answer(200, JSON, b'"\xff"'), "invalid JSON"),
        (Answer(200, "application/jsonlines", b"1\nInfinity\n"), "invalid JSON"),
        (Answer(400, JSON, b'{"detail":[]}'), "an error in a shape of its own"),
    ],
)
def test_what_is_a_fault(answer: Answer, told: str) -> None:
    found = fault(answer)
    assert found == told if not told else found.startswith(told)


def test_the_same_seed_sends_the_same_bytes() -> None:
    for subject in SUBJECTS.values():
        assert list(shots(subject, 200, seed=1)) == list(shots(subject, 200, seed=1))
        assert list(shots(subject, 20, seed=1)) != list(shots(subject, 20, seed=2))


def test_right_requests_have_bodies_of_every_form() -> None:
    dice = Random(1)
    media = {question(SUBJECTS["iris"], dice).headers[0][1] for _ in range(200)}
    assert {"application/json", "text/csv", "application/x-ndjson"} <= media
