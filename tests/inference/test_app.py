"""What the app answers to requests that are in order."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from tests.inference.asking import IRIS_ROW, VIRGINICA_ROW, Asked
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.settings import Settings

BOTH = [IRIS_ROW, VIRGINICA_ROW]
NAMED = dict(
    zip(("petal_width", "petal_length", "sepal_width", "sepal_length"), IRIS_ROW[::-1], strict=True)
)
PREDICTING = ("/predict", "/invocations", "/score")


@pytest.fixture(scope="module")
def iris(iris_bundle: Bundle) -> Asked:
    return Asked(iris_bundle)


@pytest.fixture(scope="module")
def loan(loan_bundle: Bundle) -> Asked:
    return Asked(loan_bundle)


@pytest.fixture(scope="module")
def spam(spam_bundle: Bundle) -> Asked:
    return Asked(spam_bundle)


@pytest.mark.parametrize("route", PREDICTING)
@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"instances": BOTH}, {"predictions": ["setosa", "virginica"]}),
        ({"instances": [NAMED]}, {"predictions": ["setosa"]}),
        ({"instances": BOTH, "parameters": None}, {"predictions": ["setosa", "virginica"]}),
        ({"instances": BOTH, "parameters": {}}, {"predictions": ["setosa", "virginica"]}),
        ({"features": IRIS_ROW}, {"prediction": "setosa"}),
        ({"features": NAMED}, {"prediction": "setosa"}),
        ({"features": BOTH}, {"prediction": ["setosa", "virginica"]}),
        ({"features": [NAMED, IRIS_ROW]}, {"prediction": ["setosa", "setosa"]}),
        ({"inputs": BOTH}, {"predictions": ["setosa", "virginica"]}),
        (BOTH, ["setosa", "virginica"]),
        (IRIS_ROW, ["setosa"]),
    ],
)
def test_every_envelope_is_answered_in_its_own_shape_on_every_route(
    iris: Asked, route: str, body: Any, answer: Any
) -> None:
    response = iris.post(route, body)
    assert (response.status_code, response.json()) == (200, answer)
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"features": "win a prize now"}, {"prediction": "spam"}),
        ({"features": ["win a prize now"]}, {"prediction": ["spam"]}),
        ({"instances": ["win a prize now"]}, {"predictions": ["spam"]}),
        ({"instances": [["win a prize now"]]}, {"predictions": ["spam"]}),
        (["win a prize now"], ["spam"]),
    ],
)
def test_a_model_of_text_takes_bare_strings(spam: Asked, body: Any, answer: Any) -> None:
    assert spam.post("/predict", body).json() == answer


def test_plain_text_is_one_row_of_a_model_of_text(spam: Asked) -> None:
    response = spam.post("/predict", "win a\nprize now", content_type="text/plain")
    assert response.json() == {"predictions": ["spam"]}


@pytest.mark.parametrize("content_type", ["", "application/octet-stream", "text/plain"])
def test_json_is_recognised_where_the_client_did_not_say_so(iris: Asked, content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = iris.ask(
        "POST", "/predict", content=b'\n {"features": [5, 3, 1, 0]}', headers=headers
    )
    assert response.json() == {"prediction": "setosa"}


def test_what_curl_sends_with_d_is_json(iris: Asked) -> None:
    response = iris.post(
        "/predict", '{"features": [5, 3, 1, 0]}', content_type="application/x-www-form-urlencoded"
    )
    assert response.json() == {"prediction": "setosa"}


@pytest.mark.parametrize("asked", ["?probabilities=true", "?probabilities=1", ""])
def test_probabilities_come_where_they_are_asked_for(iris: Asked, asked: str) -> None:
    body = {"instances": BOTH} | ({} if asked else {"parameters": {"probabilities": True}})
    [first, second] = iris.post(f"/invocations{asked}", body).json()["predictions"]
    assert first["prediction"] == "setosa"
    assert sum(second["probabilities"].values()) == pytest.approx(1)
    assert max(second["probabilities"], key=second["probabilities"].get) == "virginica"


@pytest.mark.parametrize(
    "lines",
    [
        "5.1,3.5,1.4,0.2\n7.2,3.6,6.1,2.5\n",
        "5.1,3.5,1.4,0.2\r\n7.2,3.6,6.1,2.5",
        "\ufeffsepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n7.2,3.6,6.1,2.5",
        '"petal_width",sepal_length,petal_length,sepal_width\n.2,5.1,1.4,3.5\n\n2.5,7.2,6.1,3.6\n',
    ],
)
def test_csv_is_answered_with_csv(iris: Asked, lines: str) -> None:
    response = iris.post("/invocations", lines.encode(), content_type="text/csv")
    assert response.text == "setosa\nvirginica\n"
    assert response.headers["content-type"] == "text/csv; charset=utf-8"


def test_csv_cells_become_what_their_field_is(loan: Asked, loan_bundle: Bundle) -> None:
    examples = loan_bundle.manifest.examples
    cells = [["" if cell is None else str(cell) for cell in each.input] for each in examples]
    lines = "\n".join(map(",".join, cells))
    answer = loan.post("/invocations", lines, content_type="text/csv", accept="application/json")
    assert answer.json() == {"predictions": [each.prediction for each in examples]}


@pytest.mark.parametrize("media", ["application/jsonlines", "application/x-ndjson"])
def test_json_lines_are_answered_with_json_lines(iris: Asked, media: str) -> None:
    lines = f"{json.dumps(IRIS_ROW)}\r\n\n{json.dumps(NAMED)}\n"
    response = iris.post("/invocations", lines, content_type=media)
    assert response.text == '{"prediction":"setosa"}\n{"prediction":"setosa"}\n'
    assert response.headers["content-type"] == media


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv; charset=utf-8"),
        ("text/*", "text/csv; charset=utf-8"),
        ("text/csv, */*", "text/csv; charset=utf-8"),
        ("application/*", "application/json"),
        ("image/png, */*;q=0.1", "application/json"),
        ("application/json;q=0, */*", "text/csv; charset=utf-8"),
        ("APPLICATION/JSONLINES", "application/jsonlines"),
        ("application/json, text/csv", "application/json"),
    ],
)
def test_the_answer_is_what_accept_prefers(iris: Asked, accept: str, media: str) -> None:
    response = iris.post("/predict", {"instances": BOTH}, accept=accept)
    assert (response.status_code, response.headers["content-type"]) == (200, media)


def test_csv_answers_have_a_column_for_each_class_and_a_header_on_request(iris: Asked) -> None:
    response = iris.post(
        "/predict?probabilities=true", {"instances": BOTH}, accept="text/csv; header=present"
    )
    head, first, _ = response.text.splitlines()
    assert head == "prediction,setosa,versicolor,virginica"
    assert first.startswith("setosa,0.9")


def test_the_platform_may_name_the_answer_for_callers_without_a_preference(
    iris_bundle: Bundle,
) -> None:
    asked = Asked(iris_bundle, Settings(accept="text/csv"))
    assert asked.post("/invocations", {"instances": BOTH}).text == "setosa\nvirginica\n"
    assert asked.post("/invocations", BOTH, accept="application/json").json()[0] == "setosa"


@pytest.mark.parametrize(
    ("encoding", "zipped"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_zipped_bodies_are_read(iris: Asked, encoding: str, zipped: Any) -> None:
    body = zipped(b'{"features": [5.1, 3.5, 1.4, 0.2]}')
    response = iris.post("/predict", body, content_encoding=encoding)
    assert response.json() == {"prediction": "setosa"}


def test_a_gzip_body_of_two_members_is_read_whole(iris: Asked) -> None:
    body = gzip.compress(b'{"features": [5.1, 3.5,') + gzip.compress(b" 1.4, 0.2]}")
    assert iris.post("/predict", body, content_encoding="gzip").json() == {"prediction": "setosa"}


@pytest.mark.parametrize("charset", ["utf-16", "iso-8859-1", "us-ascii", "UTF-8"])
def test_charsets_are_respected(spam: Asked, charset: str) -> None:
    body = '{"features": "win a prize"}'.encode(charset)
    response = spam.post("/predict", body, content_type=f"application/json; charset={charset}")
    assert response.json() == {"prediction": "spam"}


def test_vertex_routes_are_the_ones_the_environment_names(iris_bundle: Bundle) -> None:
    named = {"AIP_HEALTH_ROUTE": "/v1/e/1", "AIP_PREDICT_ROUTE": "/v1/e/1:predict"}
    asked = Asked(iris_bundle, Settings.read(named))
    assert asked.get("/v1/e/1").status_code == 200
    assert (
        asked.post("/v1/e/1:predict", {"instances": BOTH}).json()["predictions"][1] == "virginica"
    )


@pytest.mark.parametrize(
    "route", ["/ping", "/", "/health", "/readyz", "/healthz", "/v2/health/live"]
)
def test_health_is_200_once_the_model_is_loaded(iris: Asked, route: str) -> None:
    assert iris.get(route).status_code == 200


def test_batch_transform_is_told_how_to_call(iris_bundle: Bundle) -> None:
    asked = Asked(iris_bundle, Settings(workers=3))
    assert asked.get("/execution-parameters").json() == {
        "MaxConcurrentTransforms": 3,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 6,
    }


@pytest.mark.parametrize(
    "name",
    ["x-amzn-sagemaker-custom-attributes", "x-ms-client-request-id", "x-ms-request-id"],
)
def test_headers_that_clouds_expect_back_come_back(iris: Asked, name: str) -> None:
    response = iris.ask("POST", "/score", json=BOTH, headers={name: "trace-7"})
    assert response.headers[name] == "trace-7"


def test_every_answer_has_a_request_id_and_keeps_the_callers_own(iris: Asked) -> None:
    assert iris.get("/ping", x_request_id="mine-1").headers["x-request-id"] == "mine-1"
    assert len(iris.get("/ping").headers["x-request-id"]) == 32
    assert len(iris.get("/ping", x_request_id="not one id").headers["x-request-id"]) == 32


def test_a_health_check_by_head_is_answered_too(iris: Asked) -> None:
    assert iris.ask("HEAD", "/ping").status_code == 200
