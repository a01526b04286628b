"""Requests to the other servers: mixed columns, text, scripts, and other settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.recorded.bodies import SETOSA
from tests.recorded.exchange import JSON, Shot, get, request, shot

PERSON: dict[str, Any] = {
    "age": 41,
    "income": 58.2,
    "credit_score": 742,
    "employment": "employed",
    "loan_amount": 9.5,
    "term_months": 36,
    "purpose": "car",
}
HEADER = ",".join(PERSON)
LINE = ",".join(map(str, PERSON.values()))
IRIS = json.dumps({"instances": [SETOSA]}).encode()

#: What is changed in an applicant of the loan model.
CHANGED: dict[str, dict[str, Any]] = {
    "as it is": {},
    "income is null": {"income": None},
    "age is null": {"age": None},
    "age is a fraction": {"age": 41.5},
    "age is a word": {"age": "old"},
    "age is whole as a fraction": {"age": 41.0},
    "age is true": {"age": True},
    "unknown employment": {"employment": "astronaut"},
    "employment in capitals": {"employment": "Employed"},
    "employment is null": {"employment": None},
    "employment is a number": {"employment": 3},
    "purpose is a list": {"purpose": ["car"]},
    "gender beside": {"gender": "female"},
    "income is huge": {"income": 1e300},
    "age beyond what was seen": {"age": 500},
}

#: A scoring script of the user's own.
SCRIPT = """
import json


def init():
    print("loaded")


def run(data):
    told = json.loads(data)
    if told.get("fail"):
        raise RuntimeError("the script fails on purpose")
    if told.get("refuse"):
        raise ValueError("the script refuses on purpose")
    if told.get("text"):
        return "a text"
    if told.get("nan"):
        return [float("nan")]
    if told.get("strange"):
        return object()
    return {"predictions": [sum(row) for row in told["instances"]]}
"""
#: A scoring script that is never ready.
SLOW = "import time\n\n\ndef init():\n    time.sleep(600)\n\n\ndef run(data):\n    return data\n"


def loan() -> Iterator[Shot]:
    """Yield requests of mixed columns."""
    for name, changed in CHANGED.items():
        body = json.dumps({"instances": [{**PERSON, **changed}]}).encode()
        yield shot("POST", "/invocations", body, JSON, name=name)
    split = {"columns": list(PERSON), "data": [list(PERSON.values())]}
    for key in ("dataframe_split", "input_data", "data"):
        yield shot("POST", "/score", json.dumps({key: split}).encode(), JSON, name=key)
    listed = json.dumps({"instances": [list(PERSON.values())]}).encode()
    yield shot("POST", "/predict?probabilities=true", listed, JSON, name="by order")
    yield from _loan_csv()
    yield from _loan_tensors()


def _loan_csv() -> Iterator[Shot]:
    lines = {
        "CSV": f"{HEADER}\n{LINE}\n",
        "CSV without header": f"{LINE}\n",
        "CSV with an index": f",{HEADER}\n0,{LINE}\n",
        "CSV, income is NA": f"{HEADER}\n{LINE.replace('58.2', 'NA')}\n",
        "CSV, age is empty": f"{HEADER}\n{LINE.replace('41', '', 1)}\n",
        "CSV, unknown word": f"{HEADER}\n{LINE.replace('car', 'boat')}\n",
        "CSV, a column less": f"{HEADER[4:]}\n{LINE[3:]}\n",
        "CSV, a column twice": f"{HEADER},age\n{LINE},41\n",
    }
    for name, text in lines.items():
        yield shot("POST", "/invocations", text.encode(), {"content-type": "text/csv"}, name=name)


def _loan_tensors() -> Iterator[Shot]:
    own = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES" if isinstance(value, str) else "FP64",
            "data": [value],
        }
        for name, value in PERSON.items()
    ]
    infer = "/v2/models/loan/infer"
    yield shot("POST", infer, json.dumps({"inputs": own}).encode(), JSON, name="v2 columns")
    yield shot("POST", infer, json.dumps({"inputs": own[1:]}).encode(), JSON, name="v2 one less")
    whole = {"inputs": [{"name": "input", "shape": [1, 7], "datatype": "FP64", "data": [1] * 7}]}
    yield shot("POST", infer, json.dumps(whole).encode(), JSON, name="v2 one tensor")


def spam() -> Iterator[Shot]:
    """Yield requests of text."""
    text = "Congratulations, you have won a free phone, click here to claim it"
    for value in (["Hello"], [text], [""], [5], [None], [["Hello"]], [{"text": "Hello"}], "Hello"):
        body = json.dumps({"instances": value}).encode()
        yield shot("POST", "/invocations", body, JSON, name=f"text {value!r}"[:60])
    for media in ("text/plain", "text/csv", "text/plain; charset=iso-8859-1"):
        yield shot("POST", "/invocations", text.encode(), {"content-type": media}, name=media)
    tensor = {"name": "input", "shape": [1, 1], "datatype": "BYTES", "data": [text]}
    body = json.dumps({"inputs": [tensor]}).encode()
    yield shot("POST", "/v2/models/spam/infer", body, JSON, name="v2 text")


def script() -> Iterator[Shot]:
    """Yield requests to a script of the user's own."""
    bodies: list[dict[str, object]] = [{"instances": [[1, 2], [3, 4]]}, {}]
    bodies += [{word: True} for word in ("fail", "refuse", "text", "nan", "strange")]
    for value in bodies:
        body = json.dumps(value).encode()
        headers = {**JSON, "x-request-id": "caller-3"}
        yield shot("POST", "/score", body, headers, name=f"script {body.decode()}")
    yield shot("POST", "/invocations", b"not JSON", JSON, name="script not JSON")
    yield shot("POST", "/invocations", b"1,2\n", {"content-type": "text/csv"}, name="script CSV")
    yield shot("POST", "/v2/models/own/infer", IRIS, JSON, name="script v2")
    yield shot("POST", "/predict", IRIS, {**JSON, "accept": "text/csv"}, name="script to CSV")


def set_up() -> Iterator[Shot]:
    """Yield requests to a server with routes, limits and origins of its own."""
    for path in ("/aip/health", "/aip/predict", "/health", "/models/iris/ping", "/models/irisping"):
        yield get(path)
    for path in ("/aip/predict", "/models/iris/invocations", "/models/iris", "/predict"):
        yield shot("POST", path, IRIS, JSON)
    yield get("/models/iris/docs")
    yield get("/models/iris/openapi.json")
    page = {"origin": "https://page.example"}
    yield shot("POST", "/predict", IRIS, {**JSON, **page})
    yield shot("POST", "/predict", IRIS, {**JSON, "origin": "https://other.example"})
    for origin in ("https://page.example", "https://other.example"):
        asked = {"origin": origin, "access-control-request-method": "POST"}
        more = {"access-control-request-headers": "content-type"}
        yield shot("OPTIONS", "/predict", None, {**asked, **more})
    yield shot("POST", "/predict", b"[" + b" " * 2000 + b"]", JSON, name="2002 bytes")
    chunked = request("POST", "/predict", None, {**JSON, "transfer-encoding": "chunked"})
    yield Shot("chunk too long", chunked + b"800\r\n" + b" " * 2048 + b"\r\n0\r\n\r\n")
    yield get("/execution-parameters")


def hurried() -> Iterator[Shot]:
    """Yield requests that do not come to their end."""
    yield Shot("nothing comes", b"")
    yield Shot("half a head", b"GET /ping HTTP/1.1\r\nhost: mo")
    yield Shot("half a body", request("POST", "/invocations", IRIS, JSON)[:-20])
    chunked = request("POST", "/invocations", None, {**JSON, "transfer-encoding": "chunked"})
    yield Shot("half a chunk", chunked + b"20\r\nabc")


def loading() -> Iterator[Shot]:
    """Yield requests to a server whose model is not there yet."""
    for path in ("/", "/ping", "/healthz", "/readyz", "/health", "/metrics", "/docs"):
        yield get(path)
    for path in ("/openapi.json", "/swagger.json", "/execution-parameters", "/v2", "/v1/models"):
        yield get(path)
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/own", "/v1/models/own"):
        yield get(path)
    for path in ("/invocations", "/score", "/v2/models/own/infer"):
        yield shot("POST", path, IRIS, JSON)
    yield shot("POST", "/v2/repository/index", b"{}", JSON)
