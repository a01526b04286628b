"""JSON, strictly: what is not JSON is refused on the way in and never written on the way out."""

from __future__ import annotations

import re
from typing import Any

import orjson

from tridock.inference.codec.body import UTF8_MARK, text_of
from tridock.inference.errors import InvalidInputError

#: What JavaScript and Python write, and RFC 8259 («6. Numbers») does not permit.
NOT_NUMBERS = re.compile(r"[+-]?(nan|inf(inity)?)\b", re.IGNORECASE)


def parse(body: bytes, charset: str = "utf-8") -> Any:
    """Read one JSON value.

    Of an object's repeated names the last one counts, as RFC 8259 («4. Objects») says of most
    readers.

    Raises
    ------
    InvalidInputError
        If the body is empty or is not JSON; the message says where.
    """
    if not body.strip():
        raise InvalidInputError("the body is empty: send JSON")
    plain = charset.lower() in ("utf-8", "utf8")
    text = body.removeprefix(UTF8_MARK) if plain else text_of(body, charset).encode()
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f"the body is not JSON: {_reason(error, text)}") from error


def dumps(value: object) -> bytes:
    """Write a value as JSON, with null for NaN and the infinities.

    Raises
    ------
    TypeError
        If it holds something that JSON has no form for.
    """
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def kind(value: object) -> str:
    """Return the name of a JSON value's type, with its article."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


def _reason(error: orjson.JSONDecodeError, text: bytes) -> str:
    found = NOT_NUMBERS.match(text.decode(errors="replace"), error.pos)
    if found:
        return f"{found[0]} at character {error.pos}: send null for a missing value"
    return str(error)
