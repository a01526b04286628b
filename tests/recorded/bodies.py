"""Bodies that the iris model reads, and bodies that it refuses."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.recorded.exchange import JSON, Shot, shot

SETOSA = [5.1, 3.5, 1.4, 0.2]
VIRGINICA = [7.2, 3.6, 6.1, 2.5]
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
NAMED = dict(zip(NAMES, SETOSA, strict=True))
ROUTES = ("/invocations", "/score", "/predict", "/v1/models/iris:predict", "/predict/")

GOOD: dict[str, Any] = {
    "instances": {"instances": [SETOSA, VIRGINICA]},
    "instances, named": {"instances": [NAMED]},
    "inputs": {"inputs": [SETOSA]},
    "features, one row": {"features": SETOSA},
    "features, rows": {"features": [SETOSA, VIRGINICA]},
    "dataframe_split": {"dataframe_split": {"columns": list(NAMES), "data": [SETOSA]}},
    "dataframe_records": {"dataframe_records": [NAMED, {**NAMED, "more": 1}]},
    "columns": {"inputs": {name: [value] for name, value in NAMED.items()}},
    "data": {"data": [SETOSA]},
    "input_data": {"input_data": {"columns": list(NAMES), "index": [0], "data": [SETOSA]}},
    "rows": [SETOSA, VIRGINICA],
    "bare row": SETOSA,
    "whole numbers": {"instances": [[5, 3, 1, 0]]},
    "probabilities": {"instances": [SETOSA], "parameters": {"probabilities": True}},
    "params": {"inputs": [SETOSA], "params": {"probabilities": True}},
    "no rows": {"instances": []},
    "forty rows": {"instances": [SETOSA, VIRGINICA] * 20},
}
BAD: dict[str, Any] = {
    "empty object": {},
    "unknown envelope": {"rows": [SETOSA]},
    "two envelopes": {"instances": [SETOSA], "features": SETOSA},
    "number": 5,
    "null": None,
    "string": "setosa",
    "true": True,
    "instances is a number": {"instances": 5},
    "instances is null": {"instances": None},
    "row is a number": {"instances": [5]},
    "row is null": {"instances": [None]},
    "too few values": {"instances": [SETOSA[:3]]},
    "too many values": {"instances": [[*SETOSA, 1.0]]},
    "second row too short": {"instances": [SETOSA, [1.0]]},
    "value is a word": {"instances": [[5.1, "wide", 1.4, 0.2]]},
    "value is numeric text": {"instances": [["5.1", "3.5", "1.4", "0.2"]]},
    "value is null": {"instances": [[5.1, None, 1.4, 0.2]]},
    "value is true": {"instances": [[5.1, True, 1.4, 0.2]]},
    "value is a list": {"instances": [[5.1, [3.5], 1.4, 0.2]]},
    "value is an object": {"instances": [[5.1, {}, 1.4, 0.2]]},
    "value is huge": {"instances": [[1e308, 3.5, 1.4, 10**30]]},
    "missing field": {"instances": [{name: NAMED[name] for name in NAMES[:3]}]},
    "unknown field": {"instances": [{**NAMED, "sepal_colour": 1}]},
    "misspelt field": {"instances": [{"sepal_lenght": 5.1, **dict(list(NAMED.items())[1:])}]},
    "named, wrong type": {"instances": [{**NAMED, "petal_width": "wide"}]},
    "columns of two lengths": {"inputs": {**{name: [1] for name in NAMES}, NAMES[0]: [1, 2]}},
    "split without data": {"dataframe_split": {"columns": list(NAMES)}},
    "split, unknown column": {"dataframe_split": {"columns": ["a"], "data": [[1]]}},
    "probabilities is a word": {"instances": [SETOSA], "parameters": {"probabilities": "yes"}},
    "parameters is a list": {"instances": [SETOSA], "parameters": []},
}
#: What is no JSON, or JSON that only some readers take.
RAW: dict[str, bytes] = {
    "nothing": b"",
    "half a brace": b"{",
    "not JSON": b"{'instances': [[1, 2, 3, 4]]}",
    "comma at the end": b'{"instances": [[1, 2, 3, 4],]}',
    "NaN": b'{"instances": [[NaN, 3.5, 1.4, 0.2]]}',
    "Infinity": b'{"instances": [[Infinity, 3.5, 1.4, 0.2]]}',
    "1e999": b'{"instances": [[1e999, 3.5, 1.4, 0.2]]}',
    "repeated name": b'{"instances": [[1,2,3,4]], "instances": [[7.2,3.6,6.1,2.5]]}',
    "byte order mark": b'\xef\xbb\xbf{"features": [5.1, 3.5, 1.4, 0.2]}',
    "not UTF-8": b'{"instances": [["\xff", 3.5, 1.4, 0.2]]}',
    "lone surrogate": b'{"instances": [["\\ud800", 3.5, 1.4, 0.2]]}',
    "blanks around": b'  \n {"features": [5.1, 3.5, 1.4, 0.2]} \n ',
    "two values": b'{"features": [5.1, 3.5, 1.4, 0.2]} {}',
    "very deep": b"[" * 3000 + b"]" * 3000,
}


def array(values: Any) -> bytes:
    """Return an array in NumPy's format."""
    stream = io.BytesIO()
    np.save(stream, np.array(values))
    return stream.getvalue()


def shots() -> Iterator[Shot]:
    """Yield the requests for predictions of the iris model."""
    yield from _bodies()
    yield from _types()
    yield from _queries()
    yield from _accepts()
    yield from _encodings()


def _bodies() -> Iterator[Shot]:
    for name, value in (GOOD | BAD).items():
        yield shot("POST", "/invocations", json.dumps(value).encode(), JSON, name=name)
    for name, raw in RAW.items():
        yield shot("POST", "/invocations", raw, JSON, name=name)
    for route in ROUTES:
        for name in ("features, one row", "instances", "too few values"):
            value = (GOOD | BAD)[name]
            yield shot("POST", route, json.dumps(value).encode(), JSON, name=f"{name} to {route}")
    large = json.dumps({"instances": [SETOSA] * 3000}).encode()
    yield shot("POST", "/invocations", large, JSON, name="3000 rows")
    yield shot("POST", "/invocations", b" " * 7_000_000, JSON, name="7 MB")


#: Content type and body; each is sent with the type, by the name of the type and a number.
TYPES: tuple[tuple[str, bytes], ...] = (
    ("text/csv", b"5.1,3.5,1.4,0.2\n7.2,3.6,6.1,2.5\n"),
    ("text/csv", b"petal_width,petal_length,sepal_width,sepal_length\n0.2,1.4,3.5,5.1\n"),
    (
        "text/csv",
        b"id, Sepal_Length ,sepal_width,petal_length,petal_width\r\n1,5.1,3.5,1.4,0.2\r\n",
    ),
    ("text/csv", b"sepal_length,sepal_width\n5.1,3.5\n"),
    ("text/csv", b"5.1,3.5,1.4\n"),
    ("text/csv", b"5.1,wide,1.4,0.2\n"),
    ("text/csv", b"5.1,,1.4,0.2\n"),
    ("text/csv", b""),
    ("text/csv", b'"5.1,3.5,1.4,0.2\n'),
    ("text/csv; header=present", b"5.1,3.5,1.4,0.2\n5.1,3.5,1.4,0.2\n"),
    ("text/csv; header=absent", b"5.1,3.5,1.4,0.2\n"),
    ("application/csv; charset=utf-16", "5.1,3.5,1.4,0.2\n".encode("utf-16")),
    ("application/jsonlines", b"[5.1,3.5,1.4,0.2]\n[7.2,3.6,6.1,2.5]\n"),
    ("application/x-ndjson", json.dumps(NAMED).encode() + b"\n"),
    ("application/jsonl", b"[5.1,3.5,1.4,0.2]\n[oops\n"),
    ("application/jsonlines", b""),
    ("application/x-npy", array([SETOSA, VIRGINICA])),
    ("application/x-npy", array(SETOSA)),
    ("application/x-npy", array([SETOSA[:3]])),
    ("application/x-npy", array([["a", "b", "c", "d"]])),
    ("application/x-npy", array([[float("nan"), 1, 2, 3]])),
    ("application/x-npy", array(SETOSA)[:40]),
    ("application/x-npy", b"not an array"),
    ("application/vnd.apache.parquet", b"PAR1PAR1"),
    ("application/x-parquet", b"PAR1PAR1"),
    ("text/plain", b'{"features": [5.1, 3.5, 1.4, 0.2]}'),
    ("text/plain", b"5.1 3.5 1.4 0.2"),
    ("application/octet-stream", b'{"features": [5.1, 3.5, 1.4, 0.2]}'),
    ("application/octet-stream", b"\x00\x01\x02"),
    ("application/x-www-form-urlencoded", b'{"features": [5.1, 3.5, 1.4, 0.2]}'),
    ("application/x-www-form-urlencoded", b"features=5.1"),
    ("application/vnd.mine+json", b'{"features": [5.1, 3.5, 1.4, 0.2]}'),
    ("text/json", b'{"features": [5.1, 3.5, 1.4, 0.2]}'),
    ("application/json; charset=utf-8", b'{"features": [5.1, 3.5, 1.4, 0.2]}'),
    ("application/json; charset=utf-16", '{"features": [5.1, 3.5, 1.4, 0.2]}'.encode("utf-16")),
    ("application/json; charset=klingon", b'{"features": [5.1, 3.5, 1.4, 0.2]}'),
    ("application/xml", b"<row/>"),
    ("image/png", b"\x89PNG"),
    ("nonsense", b"{}"),
    ("", b'{"features": [5.1, 3.5, 1.4, 0.2]}'),
)


def _types() -> Iterator[Shot]:
    for number, (media, body) in enumerate(TYPES):
        headers = {"content-type": media} if media else {}
        yield shot("POST", "/invocations", body, headers, name=f"type {number:02} {media}")


def _queries() -> Iterator[Shot]:
    body = json.dumps({"features": SETOSA}).encode()
    for query in ("probabilities=true", "probabilities=maybe", "probabilities", "other=1"):
        yield shot("POST", f"/predict?{query}", body, JSON)


#: What `Accept` says.
ACCEPTS = (
    "application/json",
    "*/*",
    "text/csv",
    "text/csv; header=present",
    "application/jsonlines",
    "application/x-ndjson",
    "application/x-npy",
    "text/csv;q=0.1, application/json;q=0.9",
    "application/*",
    "image/png",
    "nonsense",
    "application/json;q=0",
)


def _accepts() -> Iterator[Shot]:
    body = json.dumps({"instances": [SETOSA, VIRGINICA]}).encode()
    for accept in ACCEPTS:
        yield shot("POST", "/invocations", body, {**JSON, "accept": accept})
        headers = {**JSON, "accept": accept}
        yield shot("POST", "/invocations?probabilities=true", body, headers)


def _encodings() -> Iterator[Shot]:
    body = json.dumps({"instances": [SETOSA]}).encode()
    packed = {
        "gzip": gzip.compress(body, mtime=0),
        "deflate": zlib.compress(body),
        "br": body,
        "identity": body,
    }
    for encoding, raw in packed.items():
        yield shot("POST", "/invocations", raw, {**JSON, "content-encoding": encoding})
    wrong = {**JSON, "content-encoding": "gzip"}
    yield shot("POST", "/invocations", body, wrong, name="gzip that is none")
    yield shot("POST", "/invocations", packed["gzip"][:20], wrong, name="half of a gzip")
    bomb = gzip.compress(b" " * 20_000_000, mtime=0)
    yield shot("POST", "/invocations", bomb, wrong, name="gzip of 20 MB")
