"""Whatever is sent: an answer below 500, and JSON if it says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import neighbours, volley
from tests.fuzz.shots import shots
from tests.fuzz.templates import SUBJECTS
from tests.inference.asking import Asked
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.codec.table import read_csv, write_csv
from tridock.inference.data.field import Field
from tridock.inference.data.signature import Signature
from tridock.inference.process.model_server import ModelServer, wait_ready

ROUTES = st.sampled_from(["/predict", "/invocations", "/v2/models/loan/infer"])
MEDIA = st.sampled_from(
    ["application/json", "text/csv", "application/jsonlines", "text/plain", "", "x/y; charset=q"]
)
NAMES = st.sampled_from(["instances", "features", "inputs", "parameters", "id", "outputs", "age"])
OBJECT_KEYS = NAMES | st.text()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(OBJECT_KEYS, inner, max_size=4),
    max_leaves=30,
)
TENSOR = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["age", "income", "input"]),
        "shape": st.lists(st.integers(-1, 9), max_size=3),
        "datatype": st.sampled_from(["FP32", "INT64", "BOOL", "BYTES", "FP99"]),
    },
    optional={
        "data": VALUES,
        "parameters": st.dictionaries(st.just("binary_data_size"), st.integers(-1, 40)),
    },
)
FAST = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def loan(loan_bundle: Bundle) -> Asked:
    return Asked(loan_bundle)


@pytest.fixture(scope="module", params=["onnx", "joblib"])
def iris_server(
    request: pytest.FixtureRequest, iris_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelServer]:
    log = tmp_path_factory.mktemp(request.param) / "log"
    environment = {"TRIDOCK_ENGINE": request.param}
    server = ModelServer.start(iris_bundle.path, log, environment=environment)
    try:
        assert wait_ready(server), server.tail()
        yield server
    finally:
        server.stop(grace=10)


def check(response: httpx.Response) -> None:
    assert response.status_code < 500, response.text
    if response.headers["content-type"] == "application/json":
        json.loads(response.content, parse_constant=refuse)
    if response.status_code >= 400:
        assert set(response.json()) == {"error", "code"}


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@FAST
@given(ROUTES, st.binary(max_size=200), MEDIA)
def test_any_bytes(loan: Asked, route: str, body: bytes, media: str) -> None:
    check(loan.post(route, body, content_type=media))


@FAST
@given(ROUTES, VALUES | st.dictionaries(NAMES, VALUES), st.sampled_from(["text/csv", "*/*"]))
def test_any_json(loan: Asked, route: str, value: Any, accept: str) -> None:
    body = json.dumps(value).encode()
    check(loan.post(route, body, content_type="application/json", accept=accept))


@FAST
@given(st.lists(TENSOR, min_size=1, max_size=3), st.binary(max_size=60), st.booleans())
def test_any_tensors(loan: Asked, tensors: list[Any], blob: bytes, binary: bool) -> None:
    text = json.dumps({"inputs": tensors}).encode()
    length = {"inference-header-content-length": str(len(text))} if binary else {}
    body = text + blob if binary else text
    check(loan.ask("POST", "/v2/models/loan/infer", content=body, headers=length))


@FAST
@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_any_headers(loan: Asked, accept: str, media: str, encoding: str) -> None:
    sent = {"accept": accept, "content-type": media, "content-encoding": encoding}
    headers = [(name.encode(), value.encode()) for name, value in sent.items()]
    check(loan.ask("POST", "/predict", content=b"{}", headers=headers))


@FAST
@given(st.lists(st.text(), min_size=1))
def test_text_survives_csv(texts: list[str]) -> None:
    signature = Signature((Field("text", "string"),), "text")
    lines = write_csv(texts).decode()
    rows = read_csv(lines, signature, header="absent")
    assert [row[0] for row in rows] == texts


# `make fuzz` does the same with tens of thousands of requests, and with loan and spam.
def test_any_request_on_the_wire(iris_server: ModelServer) -> None:
    found = volley.fire_all(iris_server.port, shots(SUBJECTS["iris"], 600, seed=5))
    assert found.faults == []
    assert found.statuses[200] > 50
    assert "Traceback" not in iris_server.log.read_text(errors="replace")


def test_an_answer_is_the_same_alone_and_in_company(iris_server: ModelServer) -> None:
    asked = neighbours.mixed(SUBJECTS["iris"], 200, seed=6)
    found = neighbours.compare(iris_server, asked, rounds=2)
    assert found.differed == []
    assert found.good > 100
