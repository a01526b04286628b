"""Ways to spoil a request: its values, its text, its bytes, its headers, the way it is sent."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from tests.fuzz.templates import Question, Subject, question

#: Values that no model expects, as JSON text; some of them are no JSON.
VALUES = [
    "null",
    "true",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "1e308",
    "-0.0",
    "5e-324",
    "1" * 400,
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "0.1e",
    "01",
    "+1",
    "0x10",
    '""',
    '"NaN"',
    '"\\ud800"',
    '"\\u0000"',
    '"' + "a" * 3000 + '"',
    '"1.5"',
    '"2021-01-01"',
    "[]",
    "{}",
    "[[]]",
    "[null]",
    '{"a": 1}',
    "[" * 2000,
    "[" * 300 + "]" * 300,
    '{"a":' * 2000,
]
MEDIA = [
    "",
    "application/json; charset=utf-16",
    "application/json; charset=nonsense",
    "application/json; charset=base64",
    "application/json; charset=\xff",
    "application/vnd.x+json",
    "text/csv; header=maybe",
    "text/plain",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/x-npy",
    ";;;===",
    "a" * 3000,
]
ACCEPTS = [
    "",
    "*/*",
    "text/csv",
    "application/jsonlines;q=0.1, */*;q=0",
    "application/json;q=nan",
    "text/csv; header=present",
    "image/png",
    ",,,;q",
    "\xff\xfe",
]
LENGTHS = ["0", "-1", "1", "5", "99999", "1e3", "", "18446744073709551616", "٣", "\xb2"]
CODINGS = ["gzip", "deflate", "br", "zstd", "identity", "gzip, gzip", "x-gzip", "\xff", ""]
QUERIES = [
    "?",
    "?probabilities",
    "?probabilities=%ff",
    "?probabilities=true&probabilities=x",
    "?a=b#c",
]
ROUTES = [
    "/",
    "/predict",
    "/invocations",
    "/score",
    "/ping",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/swagger.json?version=3",
    "/swagger.json?version=%00",
    "/v2",
    "/v2/models/%ff/infer",
    "/v2/models/iris/versions/9/infer",
    "/v2/models/../infer",
    "/v2/repository/index",
    "/execution-parameters",
    "/%00",
    "//predict",
    "/predict/",
    "/../../etc/passwd",
    "*",
    "http://else/predict",
]
METHODS = ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "FOO"]
#: More than a body may have, once unzipped.
BOMB = gzip.compress(b"0" * 20_000_000, 1)
Damage = Callable[[Question, Random], Question]


def spoiled(subject: Subject, dice: Random) -> Question:
    """Draw a right request and spoil it in one to three ways; one in ten stays right."""
    found = question(subject, dice)
    if dice.random() < 0.1:
        return found
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        found = dice.choice(DAMAGES)(found, dice)
    return found


def _value(found: Question, dice: Random) -> Question:
    """Put a strange value in the place of one of the body's."""
    try:
        value = json.loads(found.body)
    except (ValueError, RecursionError):
        return _bytes(found, dice)
    mark = "\x01mark"
    text = json.dumps(_marked(value, dice, mark)).replace(json.dumps(mark), dice.choice(VALUES))
    return replace(found, body=text.encode())


def _marked(value: Any, dice: Random, mark: str) -> Any:
    if isinstance(value, dict) and value and dice.random() < 0.95:
        chosen = dice.choice(list(value))
        if dice.random() < 0.1:
            return {(mark if key == chosen else key): inner for key, inner in value.items()}
        return value | {chosen: _marked(value[chosen], dice, mark)}
    if isinstance(value, list) and value and dice.random() < 0.95:
        place = dice.randrange(len(value))
        return [*value[:place], _marked(value[place], dice, mark), *value[place + 1 :]]
    return mark


def _shape(found: Question, dice: Random) -> Question:
    """Take something out of the body, double it, or name it anew."""
    try:
        value = json.loads(found.body)
    except (ValueError, RecursionError):
        return _bytes(found, dice)
    if isinstance(value, dict) and value:
        name = dice.choice(list(value))
        if dice.random() < 0.4:
            return replace(found, body=_doubled(found.body, value, name))
        moved = value.pop(name)
        if dice.random() < 0.5:
            value[dice.choice(["rows", "instances", "features", "inputs", "id", "outputs"])] = moved
    elif isinstance(value, list) and value:
        value.append(dice.choice([value[0], None, {}, [[*value]]]))
    return replace(found, body=json.dumps(value).encode())


def _doubled(body: bytes, value: dict[str, Any], name: str) -> bytes:
    """Give one member twice, which JSON allows and nobody means."""
    return body.rstrip()[:-1] + f", {json.dumps(name)}: {json.dumps(value[name])}}}".encode()


def _bytes(found: Question, dice: Random) -> Question:
    """Flip, cut, insert, or repeat some bytes."""
    body = bytearray(found.body or b"{}")
    at = dice.randrange(len(body))
    kind = dice.randrange(6)
    if kind == 0:
        body[at] ^= 1 << dice.randrange(8)
    elif kind == 1:
        del body[at:]
    elif kind == 2:
        body[at:at] = dice.randbytes(dice.randint(1, 8))
    elif kind == 3:
        body[at:at] = body[: dice.randint(0, len(body))]
    elif kind == 4:
        body[:0] = dice.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b" \n"])
    else:
        del body[at : at + dice.randint(1, 20)]
    return replace(found, body=bytes(body))


def _random(found: Question, dice: Random) -> Question:
    return replace(found, body=dice.randbytes(dice.choice([0, 1, 10, 500])))


def _recoded(found: Question, dice: Random) -> Question:
    """Compress the body, or only say so, or spoil what was compressed."""
    coding = dice.choice(CODINGS)
    body = found.body
    if dice.random() < 0.6:
        body = gzip.compress(body, mtime=0) if dice.random() < 0.5 else zlib.compress(body)
    if dice.random() < 0.1:
        body, coding = BOMB, "gzip"
    if dice.random() < 0.3:
        body = body[: dice.randint(0, len(body))]
    return replace(found, body=body, headers=(*found.headers, ("content-encoding", coding)))


def _header(found: Question, dice: Random) -> Question:
    name, values = dice.choice(
        [
            ("content-type", MEDIA),
            ("accept", ACCEPTS),
            ("inference-header-content-length", LENGTHS),
            ("content-encoding", CODINGS),
            ("x-request-id", ["\xff", "a b", "x" * 500, ""]),
            ("x-ms-client-request-id", ["\xe9", "ok"]),
            (
                "x-amzn-sagemaker-custom-attributes",
                ["é".encode().decode("latin-1"), "x" * 1025, "a"],
            ),
            ("expect", ["100-continue", "200-ok"]),
            ("host", ["", "a b", "\xff"]),
            ("upgrade", ["websocket", "h2c"]),
        ]
    )
    return replace(found, headers=(*found.headers, (name, dice.choice(values))))


def _unnamed(found: Question, dice: Random) -> Question:
    return replace(found, headers=found.headers[1:])


def _query(found: Question, dice: Random) -> Question:
    return replace(found, route=found.route.partition("?")[0] + dice.choice(QUERIES))


def _route(found: Question, dice: Random) -> Question:
    return replace(found, route=dice.choice(ROUTES))


DAMAGES: tuple[Damage, ...] = (
    _value,
    _value,
    _value,
    _shape,
    _shape,
    _bytes,
    _bytes,
    _random,
    _recoded,
    _header,
    _header,
    _unnamed,
    _query,
    _route,
)
