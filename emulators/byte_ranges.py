"""Ranges of bytes that clients of the emulated storages request (RFC 9110, 14.1 and 14.2)."""

from __future__ import annotations

import re


class UnsatisfiableRangeError(ValueError):
    """No byte of the content is in the requested range; the answer is 416."""


def requested_range(header: str, size: int) -> range | None:
    """Return the places of the requested bytes; None for the whole content.

    As the RFC allows, a header of several ranges, of another unit or of a wrong form is ignored.

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
