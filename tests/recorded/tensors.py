"""Requests of the Open Inference Protocol: tensors as JSON and as bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from tests.recorded.bodies import NAMES, SETOSA, VIRGINICA
from tests.recorded.exchange import JSON, Shot, shot

INFER = "/v2/models/iris/infer"
FLAT = [*SETOSA, *VIRGINICA]


def tensor(**changed: Any) -> dict[str, Any]:
    """Return a tensor of two rows, with some members changed; None leaves one out."""
    whole = {"name": "input", "shape": [2, 4], "datatype": "FP64", "data": FLAT, **changed}
    return {name: value for name, value in whole.items() if value is not None}


def columns(**changed: Any) -> dict[str, Any]:
    """Return a request of one tensor for each field, with some members changed."""
    own = [
        {"name": name, "shape": [1, 1], "datatype": "FP32", "data": [value]}
        for name, value in zip(NAMES, SETOSA, strict=True)
    ]
    return {"inputs": own, **changed}


def _outputs(*names: str, **parameters: Any) -> dict[str, Any]:
    more = {"parameters": parameters} if parameters else {}
    return {"outputs": [{"name": name, **more} for name in names]}


REQUESTS: dict[str, Any] = {
    "one tensor": {"inputs": [tensor()]},
    "with an id": {"id": "caller-5", "inputs": [tensor()]},
    "nested data": {"inputs": [tensor(data=[SETOSA, VIRGINICA])]},
    "one for each field": columns(),
    "both outputs": {"inputs": [tensor()], **_outputs("predict", "predict_proba")},
    "unknown output": {"inputs": [tensor()], **_outputs("logits")},
    "two classes": {"inputs": [tensor()], **_outputs("predict", classification=2)},
    "no classes": {"inputs": [tensor()], **_outputs("predict", classification=0)},
    "binary output": {"inputs": [tensor()], **_outputs("predict", binary_data=True)},
    "all binary": {"inputs": [tensor()], "parameters": {"binary_data_output": True}},
    "null in it": {"inputs": [tensor(data=[None, *FLAT[1:]])]},
    "whole numbers": {"inputs": [tensor(datatype="INT64", data=[5, 3, 1, 0, 7, 3, 6, 2])]},
    "fractions as whole numbers": {"inputs": [tensor(datatype="INT64")]},
    "too large for its type": {"inputs": [tensor(datatype="INT8", data=[500] * 8)]},
    "booleans": {"inputs": [tensor(datatype="BOOL", data=[True] * 8)]},
    "BYTES": {"inputs": [tensor(datatype="BYTES", data=["a"] * 8)]},
    "BF16": {"inputs": [tensor(datatype="BF16")]},
    "unknown type": {"inputs": [tensor(datatype="FP65")]},
    "no type": {"inputs": [tensor(datatype=None)]},
    "no shape": {"inputs": [tensor(shape=None)]},
    "no data": {"inputs": [tensor(data=None)]},
    "no name": {"inputs": [tensor(name=None)]},
    "shape of other size": {"inputs": [tensor(shape=[3, 4])]},
    "negative shape": {"inputs": [tensor(shape=[-1, 4])]},
    "shape is a word": {"inputs": [tensor(shape="2x4")]},
    "three dimensions": {"inputs": [tensor(shape=[1, 2, 4])]},
    "five fields": {"inputs": [tensor(shape=[1, 5], data=[1, 2, 3, 4, 5])]},
    "no rows": {"inputs": [tensor(shape=[0, 4], data=[])]},
    "no inputs": {"inputs": []},
    "inputs is null": {"inputs": None},
    "empty object": {},
    "list": [],
    "a field is missing": {"inputs": columns()["inputs"][:3]},
    "a field twice": {"inputs": [*columns()["inputs"], columns()["inputs"][0]]},
    "shared memory": {
        "inputs": [tensor(data=None, parameters={"shared_memory_region": "a"})],
    },
}


def shots() -> Iterator[Shot]:
    """Yield the requests of the protocol."""
    for name, value in REQUESTS.items():
        yield shot("POST", INFER, json.dumps(value).encode(), JSON, name=f"v2 {name}")
    body = json.dumps(REQUESTS["one tensor"]).encode()
    yield shot("POST", "/v2/models/iris/versions/1/infer", body, JSON)
    yield shot("POST", "/v2/models/iris/versions/7/infer", body, JSON)
    yield shot("POST", "/v2/models/other/infer", body, JSON)
    yield shot("POST", "/invocations", body, JSON, name="v2 to /invocations")
    yield shot("POST", INFER, b'{"instances": [[1,2,3,4]]}', JSON, name="v2 of an envelope")
    yield shot("POST", INFER, b"{", JSON, name="v2 half a brace")
    yield shot("POST", INFER, body, {"content-type": "text/csv"}, name="v2 as CSV")
    yield from _binary()


def _binary() -> Iterator[Shot]:
    doubles = struct.pack("<8d", *FLAT)
    sized = {"binary_data_size": len(doubles)}
    whole = {"inputs": [tensor(data=None, parameters=sized)]}
    yield _sent("bytes", whole, doubles)
    yield _sent("bytes in and out", {**whole, "parameters": {"binary_data_output": True}}, doubles)
    proba = _outputs("predict", "predict_proba", binary_data=True)
    yield _sent("bytes and shares", {**whole, **proba}, doubles)
    yield _sent("too few bytes", whole, doubles[:-8])
    yield _sent("too many bytes", whole, doubles + b"1")
    other = {"inputs": [tensor(data=None, parameters={"binary_data_size": 7})]}
    yield _sent("bytes of no number", other, doubles[:7])
    yield _sent("NaN in bytes", whole, struct.pack("<8d", float("nan"), *FLAT[1:]))
    floats = {"inputs": [tensor(data=None, datatype="FP32", parameters={"binary_data_size": 32})]}
    yield _sent("floats", floats, struct.pack("<8f", *FLAT))
    yield _sent("header too long", whole, doubles, {"inference-header-content-length": "99999"})
    yield _sent("header a word", whole, doubles, {"inference-header-content-length": "all"})


def _sent(name: str, value: object, tail: bytes, changed: Mapping[str, str] | None = None) -> Shot:
    text = json.dumps(value).encode()
    headers = {
        "inference-header-content-length": str(len(text)),
        "content-type": "application/octet-stream",
        **(changed or {}),
    }
    return shot("POST", INFER, text + tail, headers, name=f"v2 {name}")
