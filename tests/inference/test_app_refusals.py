"""What the app answers to requests that are not in order: whose fault, where, what to do."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.inference.asking import IRIS_ROW, JSON, Asked
from tridock.inference import score
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.packaging.package import About, package_script
from tridock.inference.scheduling.batched_model import BatchedModel
from tridock.inference.settings import Settings

USAGE = 'send {"instances": [...]}, {"features": [...]}, {"inputs": [...]} or a list of rows'
FIELDS = "sepal_length, sepal_width, petal_length, petal_width"
READ = (
    "send one of application/json, text/csv, application/jsonlines, application/x-ndjson, "
    "application/x-npy"
)
WRITTEN = (
    "this server answers with application/json, text/csv, application/jsonlines, "
    "application/x-ndjson, application/x-npy"
)


@pytest.fixture(scope="module")
def iris(iris_bundle: Bundle) -> Asked:
    return Asked(iris_bundle)


BAD_BODIES = {
    b"": "the body is empty: send JSON",
    b" \n": "the body is empty: send JSON",
    b"hello": "the body is not JSON: unexpected character, expected a JSON value: "
    "line 1 column 1 (char 0)",
    b'{"features": [1, 2': "the body is not JSON: unexpected end of data: line 1 column 19 "
    "(char 18)",
    b'{"features": [NaN, 1, 1, 1]}': "the body is not JSON: NaN at character 14: send null for a "
    "missing value",
    b'{"features": [1, -Infinity, 1, 1]}': "the body is not JSON: Infinity at character 18: send "
    "null for a missing value",
    b'{"features": [1e999, 1, 1, 1]}': "the body is not JSON: number is infinity when parsed as "
    "double: line 1 column 15 (char 14)",
    b'{"features": ["\xff"]}': "the body is not JSON: str is not valid UTF-8: surrogates not "
    "allowed: line 1 column 1 (char 0)",
    b'{"features": "\\ud800"}': "the body is not JSON: no low surrogate in string: "
    "line 1 column 15 (char 14)",
    b"[" * 3000 + b"]" * 3000: "the body is not JSON: depth limit exceeded: "
    "line 1 column 1026 (char 1025)",
    b"null": f"expected an object or a list, got null: {USAGE}",
    b"7": f"expected an object or a list, got a number: {USAGE}",
    b'"x"': f"expected an object or a list, got a string: {USAGE}",
    b"{}": f"no rows came: {USAGE}",
    b"[]": "no rows came: send at least one",
    b'{"rows": [1]}': f"unknown field 'rows': {USAGE}",
    b'{"instances": [], "x": 1}': f"unknown field 'x': {USAGE}",
    b'{"instances": [], "features": []}': f"'instances' and 'features' came: {USAGE}",
    b'{"sepal_length": 1, "sepal_width": 2}': "field 'sepal_length' stands outside of a row: send "
    '{"features": {...}}',
    b'{"instances": []}': "no rows came: send at least one",
    b'{"features": []}': "no rows came: send at least one",
    b'{"instances": 5}': "'instances': expected a list of rows, got a number",
    b'{"instances": {"a": 1}}': "'instances': expected a list of rows, got an object",
    b'{"features": null}': "'features': expected a list of rows, got null",
    b'{"features": "5.1"}': "'features': expected a list of rows, got a string",
    b'{"instances": [[1,2,3,4]], "parameters": 1}': "'parameters': expected an object, got a "
    "number",
    b'{"instances": [[1,2,3,4]], "parameters": {"top_k": 1}}': "'parameters': unknown parameter "
    "'top_k': there is 'probabilities'",
    b'{"instances": [[1,2,3,4]], "parameters": {"probabilities": 1}}': "'parameters': "
    "'probabilities' is true or false, got a number",
    b'{"features": [1, 2]}': f"row 0: expected 4 values ({FIELDS}), got a list of 2 values",
    b'{"instances": [[1,2,3,4],[1,2,3,4,5]]}': f"row 1: expected 4 values ({FIELDS}), got a list "
    "of 5 values",
    b'{"features": [1, "b", 3, 4]}': 'row 0, field "sepal_width": expected a number, got "b"',
    b'{"features": [1, true, 3, 4]}': 'row 0, field "sepal_width": expected a number, got true',
    b'{"features": [1, null, 3, 4]}': 'row 0, field "sepal_width": null came, and the model cannot '
    "take a missing value here",
    b'{"features": {"sepal_length": 1}}': 'row 0: lacks "sepal_width", "petal_length", '
    '"petal_width"',
    b'{"features": {"sepal_lenght": 1}}': 'row 0: unknown field "sepal_lenght": did you mean '
    '"sepal_length"?',
}


@pytest.mark.parametrize(("body", "message"), BAD_BODIES.items())
def test_a_bad_body_is_the_callers_fault_and_says_what_is_wrong(
    iris: Asked, body: bytes, message: str
) -> None:
    response = iris.ask("POST", "/predict", content=body, headers=JSON)
    assert response.json() == {"error": message, "code": "invalid_input"}
    assert response.status_code == 400


@pytest.mark.parametrize(
    "body", [b'{"features": [1, "\xf0\x9f\x98\x80", 3, 4]}', b'{"\\u0000": 1}']
)
def test_strange_letters_do_not_spoil_the_answer(iris: Asked, body: bytes) -> None:
    response = iris.ask("POST", "/predict", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")


def test_huge_numbers_are_numbers(iris: Asked) -> None:
    body = b'{"features": [123456789012345678901234567890, 1, 1e300, -0]}'
    assert iris.ask("POST", "/predict", content=body, headers=JSON).status_code in (200, 400)


def test_of_repeated_names_the_last_one_counts(iris: Asked) -> None:
    body = b'{"features": [1], "features": [5.1, 3.5, 1.4, 0.2]}'
    assert iris.ask("POST", "/predict", content=body).json() == {"prediction": "setosa"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"", "the body is empty: send a line for each row"),
        (b"\n\n", "the body is empty: send a line for each row"),
        (b"1,2,3,4\n1,2,3", f"row 1: expected 4 values ({FIELDS}), got a list of 3 values"),
        (b"1,2,3,x", 'row 0, field "petal_width": expected a number, got "x"'),
        (b"1,2,3,", 'row 0, field "petal_width": null came, and the model cannot take a missing '
         "value here"),
        (b"1,2,3,inf", 'row 0, field "petal_width": Infinity is not a JSON number: send a finite '
         "number"),
        (b'1,2,3,"4', "the body is not CSV: unexpected end of data"),
        (b"1,2,3,\xff", "the body is not utf-8: invalid start byte at byte 6"),
    ],
)  # fmt: skip
def test_bad_csv_says_what_is_wrong(iris: Asked, lines: bytes, message: str) -> None:
    response = iris.post("/invocations", lines, content_type="text/csv")
    assert (response.status_code, response.json()["error"]) == (400, message)


def test_a_header_that_does_not_fit_is_told_apart_from_a_row(iris: Asked) -> None:
    response = iris.post(
        "/invocations", "a,b,c,d\n1,2,3,4", content_type="text/csv; header=present"
    )
    assert response.json()["error"] == (
        'the header names "a", "b", "c", "d": expected "sepal_length", "sepal_width", '
        '"petal_length", "petal_width"'
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"", "the body is empty: send a row on each line"),
        (b"[1,2,3,4]\n[1,", "line 2 is not JSON: unexpected end of data: line 1 column 4 (char 3)"),
        (b"[1,2,3]", f"row 0: expected 4 values ({FIELDS}), got a list of 3 values"),
    ],
)
def test_bad_json_lines_say_which(iris: Asked, lines: bytes, message: str) -> None:
    response = iris.post("/invocations", lines, content_type="application/jsonlines")
    assert (response.status_code, response.json()["error"]) == (400, message)


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("image/png", f"content type 'image/png' is not read: {READ}"),
        ("", f"no content type came: {READ}"),
        (
            "application/octet-stream",
            f"content type 'application/octet-stream' is not read: {READ}",
        ),
        ("application/json; charset=rot13", "charset 'rot13' is not read: send utf-8"),
    ],
)
def test_what_is_not_read_is_415_with_what_is(iris: Asked, content_type: str, message: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = iris.ask("POST", "/predict", content=b"\x89PNG", headers=headers)
    assert response.status_code == 415
    assert response.json() == {"error": message, "code": "unsupported_media_type"}


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "text/html, image/*"])
def test_what_is_not_written_is_406_with_what_is(iris: Asked, accept: str) -> None:
    response = iris.post("/predict", {"features": IRIS_ROW}, accept=accept)
    assert response.status_code == 406
    assert response.json()["error"] == f"cannot answer with {accept!r}: {WRITTEN}"


@pytest.mark.parametrize(
    ("encoding", "status", "message"),
    [
        ("br", 415, "content encoding 'br' is not read: send gzip, deflate or identity"),
        ("gzip", 400, "the body is not gzip, as its header says: Error -3 while decompressing "
         "data: incorrect header check"),
    ],
)  # fmt: skip
def test_an_encoding_that_is_not_so_is_refused(
    iris: Asked, encoding: str, status: int, message: str
) -> None:
    response = iris.post("/predict", {"features": IRIS_ROW}, content_encoding=encoding)
    assert (response.status_code, response.json()["error"]) == (status, message)


def test_a_zip_bomb_is_refused_within_the_limit(iris: Asked) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    response = iris.post("/predict", bomb, content_encoding="gzip")
    assert response.status_code == 413
    assert response.json()["error"].startswith("the unzipped body is longer than 6291456 bytes")


def test_a_gzip_body_that_stops_short_is_refused(iris: Asked) -> None:
    body = gzip.compress(json.dumps({"features": IRIS_ROW}).encode())[:-12]
    response = iris.post("/predict", body, content_encoding="gzip")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")


def test_ten_megabytes_are_refused_before_they_are_read(iris: Asked) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        for part in range(10):
            read.append(part)
            yield b" " * 1_000_000

    declared = {"content-length": "10000000"}
    response = iris.ask("POST", "/predict", content=body(), headers=declared)
    assert response.status_code == 413
    assert response.json() == {
        "error": "the body has 10000000 bytes: send at most 6291456",
        "code": "too_large",
    }
    assert read == []


def test_a_body_without_a_length_is_refused_once_it_is_too_long(iris: Asked) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        for part in range(10):
            read.append(part)
            yield b" " * 1_000_000

    response = iris.ask("POST", "/predict", content=body())
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert len(read) == 7


def test_the_limit_can_be_set(iris_bundle: Bundle) -> None:
    asked = Asked(iris_bundle, Settings.read({"TRIDOCK_MAX_BODY_BYTES": "20"}))
    assert asked.post("/predict", {"features": IRIS_ROW}).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/predict", 405, "/predict does not take GET: use POST"),
        ("POST", "/ping", 405, "/ping does not take POST: use GET, HEAD"),
        (
            "DELETE",
            "/v2/models/iris/infer",
            405,
            "/v2/models/iris/infer does not take DELETE: use POST",
        ),
        ("GET", "/nothing", 404, "there is no /nothing: see /docs for the routes"),
        ("GET", "/ping/", 404, "there is no /ping/: see /docs for the routes"),
    ],
)
def test_wrong_methods_and_routes_are_told_in_json(
    iris: Asked, method: str, path: str, status: int, message: str
) -> None:
    response = iris.ask(method, path)
    assert (response.status_code, response.json()["error"]) == (status, message)


@pytest.mark.parametrize("value", ["maybe", ""])
def test_a_flag_in_the_query_is_true_or_false(iris: Asked, value: str) -> None:
    response = iris.post(f"/predict?probabilities={value}", {"features": IRIS_ROW})
    words = f"query parameter 'probabilities' is true or false, got {value!r}"
    assert response.json()["error"] == words


def test_before_the_model_is_loaded_everything_but_liveness_is_503(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(score, "_loaded", None)
    asked = Asked(None)
    why = "the model is not loaded yet: try again in a moment"
    for response in (asked.get("/ping"), asked.get("/"), asked.post("/predict", [IRIS_ROW])):
        assert (response.status_code, response.json()["error"]) == (503, why)
        assert response.headers["retry-after"] == "1"
    assert asked.get("/healthz").status_code == 200


def test_when_the_server_ends_it_is_not_ready_but_answers_and_lets_connections_go(
    iris_bundle: Bundle,
) -> None:
    asked = Asked(iris_bundle)
    asked.lifecycle.drain()
    ready = asked.get("/ping")
    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    answered = asked.post("/predict", {"features": IRIS_ROW})
    assert (answered.json(), answered.headers["connection"]) == ({"prediction": "setosa"}, "close")


SCRIPT = """
import math

def init():
    pass

def run(data):
    return {"fail": lambda: 1 / 0, "nan": lambda: math.nan, "set": lambda: {1}}.get(
        data, lambda: "<" + data + ">" if data.startswith("x") else [data]
    )()
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("script")
    (folder / "score.py").write_text(SCRIPT)
    about = About("script", script=folder / "score.py")
    return Asked(package_script(folder / "bundle", about=about))


@pytest.mark.usefixtures("script_traces")
def test_a_script_gets_the_body_as_text_and_its_answer_is_sent(script: Asked) -> None:
    answered = script.post("/score", '{"any": "thing"}', content_type="application/json")
    assert answered.json() == ['{"any": "thing"}']
    assert script.post("/score", "xyz").text == "<xyz>"
    assert script.post("/score", "nan").text == "null"


@pytest.mark.usefixtures("script_traces")
@pytest.mark.parametrize("body", ["fail", "set"])
def test_a_script_that_fails_is_our_sides_fault_in_short_words(script: Asked, body: str) -> None:
    response = script.post("/score", body)
    assert (response.status_code, response.json()["code"]) == (500, "scoring_failed")
    assert "Traceback" not in response.text


def test_a_defect_of_the_server_is_json_without_a_traceback(
    iris: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*asked: Any, **how: Any) -> Any:
        raise KeyError("secret")

    monkeypatch.setattr(BatchedModel, "outcomes", broken)
    response = iris.post("/predict", {"features": IRIS_ROW}, x_request_id="r-1")
    assert response.status_code == 500
    assert response.json() == {
        "error": "internal error: the server's log has request r-1",
        "code": "internal",
    }


def test_the_request_log_tells_no_payload(iris: Asked) -> None:
    iris.log = io.BytesIO()
    response: httpx.Response = iris.post("/predict", {"features": [1, "secret", 3, 4]})
    assert "secret" in response.text
    assert b"secret" not in iris.log.getvalue()


def test_no_bundle_path_is_told_to_callers(iris: Asked, iris_bundle: Bundle) -> None:
    assert str(Path(iris_bundle.path)) not in iris.get("/openapi.json").text
