"""Ranges of bytes as RFC 9110 has them."""

from __future__ import annotations

import pytest

from tridock.emulators.http_headers import UnsatisfiableRangeError, content_range, requested_range


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-3", range(4)),
        ("bytes=4-", range(4, 10)),
        ("bytes=8-99", range(8, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,4-5", None),
        ("bytes=a-b", None),
        ("pages=0-3", None),
    ],
)
def test_a_header_selects_bytes_or_is_ignored(header: str, span: range | None) -> None:
    assert requested_range(header, 10) == span


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_without_a_byte_of_the_content_is_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError, match="10 bytes"):
        requested_range(header, 10)


def test_the_answer_names_its_part() -> None:
    assert content_range(range(4, 10), 20) == "bytes 4-9/20"
