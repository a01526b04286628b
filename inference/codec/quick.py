"""The two envelopes that most requests come in, opened without a detour."""

from __future__ import annotations

from typing import Any

import orjson

from tridock.inference.codec.envelope import Envelope

Opened = tuple[list[Any], Envelope]


def open_quickly(body: bytes, *, is_text: bool) -> Opened | None:
    """Return a JSON body's rows and their envelope, or None where a closer look is needed.

    Parameters
    ----------
    body : bytes
        As it came.
    is_text : bool
        Whether the model takes strings: then a list of them is rows, not a row.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(value) is not dict or len(value) != 1:
        return None
    rows = value.get("features")
    if rows is None:
        rows = value.get("instances")
        return (rows, Envelope.INSTANCES) if type(rows) is list and rows else None
    if type(rows) is dict:
        return [rows], Envelope.ROW
    if type(rows) is not list or not rows:
        return None
    if is_text or type(rows[0]) is list or type(rows[0]) is dict:
        return rows, Envelope.FEATURES
    return [rows], Envelope.ROW
