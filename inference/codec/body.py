"""Bodies: unzipped within bounds, decoded to text, and read and written as JSON.

JSON is strict: what is not JSON is refused on the way in and never written on the way out.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

import orjson

from tridock.inference.errors import InvalidInputError, TooLargeError, UnsupportedMediaTypeError

UTF8_MARK = b"\xef\xbb\xbf"
#: Python knows more, some of them slow or not encodings of text at all.
CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
#: zlib recognises both formats by their headers with this (zlib manual, inflateInit2).
EITHER_FORMAT = zlib.MAX_WBITS | 32
#: What JavaScript and Python write, and RFC 8259 («6. Numbers») does not permit.
NOT_NUMBERS = re.compile(r"[+-]?(nan|inf(inity)?)\b", re.IGNORECASE)


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo a Content-Encoding.

    Parameters
    ----------
    body : bytes
        As it came.
    encoding : str
        The header: ``gzip``, ``deflate``, ``identity`` or nothing.
    limit : int
        The longest result, in bytes: a few kilobytes can hold gigabytes.

    Raises
    ------
    UnsupportedMediaTypeError
        For another encoding.
    InvalidInputError
        If the body is not what the header says.
    TooLargeError
        If the result would be longer than `limit`.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in ("gzip", "x-gzip", "deflate"):
        raise UnsupportedMediaTypeError(
            f"content encoding {encoding[:60]!r} is not read: send gzip, deflate or identity"
        )
    try:
        return _inflated(body, limit)
    except zlib.error as error:
        raise InvalidInputError(f"the body is not {name}, as its header says: {error}") from error


def text_of(body: bytes, charset: str = "utf-8") -> str:
    """Decode a body, its byte order mark removed.

    Raises
    ------
    UnsupportedMediaTypeError
        If `charset` is none that is read.
    InvalidInputError
        If the body is not in that charset.
    """
    codec = CHARSETS.get(charset.strip().lower())
    if codec is None:
        raise UnsupportedMediaTypeError(f"charset {charset[:60]!r} is not read: send utf-8")
    try:
        return body.decode(codec).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"the body is not {charset[:60]}: {error.reason} at byte {error.start}"
        ) from error


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


def _inflated(body: bytes, limit: int) -> bytes:
    """Unzip every member: a gzip file may be several, one after the other (RFC 1952, 2.2)."""
    parts: list[bytes] = []
    room = limit + 1
    while body and room > 0:
        stream = zlib.decompressobj(EITHER_FORMAT)
        part = stream.decompress(body, room)
        room -= len(part)
        parts.append(part)
        if room > 0 and not stream.eof:
            raise zlib.error("it ends too early")
        body = stream.unused_data
    if room <= 0:
        raise TooLargeError(f"the unzipped body is longer than {limit} bytes: send fewer rows")
    return b"".join(parts)


def _reason(error: orjson.JSONDecodeError, text: bytes) -> str:
    match = NOT_NUMBERS.match(text.decode(errors="replace"), error.pos)
    if match:
        return f"{match[0]} at character {error.pos}: send null for a missing value"
    return str(error)
