"""HTTP headers that the emulated clouds read by one rule: Range and Content-Length (RFC 9110)."""

from __future__ import annotations

import re
from http.server import BaseHTTPRequestHandler

#: Digits of a length that a computer can hold.
MOST_DIGITS = 18


class UnsatisfiableRangeError(ValueError):
    """No byte of the content is in the requested range; the answer is 416."""


def requested_range(header: str, size: int) -> range | None:
    """Return the places of the bytes that a Range header requests; None for the whole content.

    A header of several ranges, of another unit or of a wrong form is ignored (14.2).

    Parameters
    ----------
    header : str
        Value of the Range header, e.g. ``"bytes=0-99"``; empty if there is none.
    size : int
        Bytes of the whole content.

    Raises
    ------
    UnsatisfiableRangeError
        If the range begins behind the content, or is its last 0 bytes.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip(), re.ASCII)
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        span = range(max(0, size - int(match[2])), size)
    elif match[2] and int(match[2]) < int(match[1]):
        return None
    else:
        span = range(int(match[1]), min(size, int(match[2]) + 1 if match[2] else size))
    if not span:
        raise UnsatisfiableRangeError(
            f"The requested range {header} cannot be satisfied: {size} bytes."
        )
    return span


def content_range(span: range, size: int) -> str:
    """Return the value of the header Content-Range for a part of `size` bytes."""
    return f"bytes {span.start}-{span.stop - 1}/{size}"


def check_length(handler: BaseHTTPRequestHandler) -> bool:
    """Return whether a request's Content-Length is a number; if not, answer 400 and close.

    The length says where the next request begins: after a wrong one, nothing can be read
    (RFC 9112, 6.3).
    """
    length = handler.headers.get("Content-Length") or "0"
    if length.isascii() and length.isdecimal() and len(length) <= MOST_DIGITS:
        return True
    handler.close_connection = True
    handler.send_error(400, explain=f"Content-Length is not a number of bytes: {length!r}")
    return False
