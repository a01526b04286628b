"""Requests as bytes on a wire: sent whole, in pieces, in chunks, with wrong lengths, or half."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.fuzz.damage import METHODS, spoiled
from tests.fuzz.templates import Question, Subject


@dataclass(frozen=True)
class Shot:
    """What is written to one connection.

    Attributes
    ----------
    pieces : tuple of bytes
        Written one after the other.
    is_whole : bool
        Whether a request is complete, so that an answer is due.
    method : str
        As sent; an answer to HEAD has no body.
    """

    pieces: tuple[bytes, ...]
    is_whole: bool = True
    method: str = "POST"

    def __str__(self) -> str:
        text = b"".join(self.pieces)
        return repr(text if len(text) < 1500 else text[:1500] + b"...")


def shots(subject: Subject, count: int, seed: int) -> Iterator[Shot]:
    """Draw requests, most of them spoiled; the same seed draws the same ones."""
    dice = Random(seed)
    for _ in range(count):
        yield _sent(spoiled(subject, dice), dice)


def _sent(found: Question, dice: Random) -> Shot:
    way = dice.random()
    if way < 0.62:
        return Shot((head("POST", found, len(found.body)) + found.body,))
    if way < 0.70:
        method = dice.choice(METHODS)
        return Shot((head(method, found, len(found.body)) + found.body,), method=method)
    if way < 0.78:
        return _chunked(found, dice)
    if way < 0.84:
        return _slowly(found, dice)
    if way < 0.92:
        return _wrong_length(found, dice)
    if way < 0.96:
        return _half(found, dice)
    return _crooked(found, dice)


def head(method: str, found: Question, length: int | None, more: bytes = b"") -> bytes:
    """Write a request's line and headers."""
    named = {name for name, _ in found.headers}
    lines = [f"{method} {found.route} HTTP/1.1".encode("latin-1", "replace")]
    if "host" not in named:
        lines.append(b"host: model")
    lines.append(b"connection: close")
    lines += [f"{name}: {value}".encode("latin-1", "replace") for name, value in found.headers]
    if length is not None:
        lines.append(b"content-length: %d" % length)
    if more:
        lines.append(more)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _chunked(found: Question, dice: Random) -> Shot:
    body, chunks = found.body, []
    while body:
        size = dice.randint(1, max(1, len(body)))
        chunks.append(b"%x\r\n%s\r\n" % (size, body[:size]))
        body = body[size:]
    end, whole = b"0\r\n\r\n", True
    if dice.random() < 0.4:
        end = dice.choice([b"", b"zz\r\n", b"-1\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"5\r\nabc"])
        whole = end.startswith(b"0")
    start = head("POST", found, None, b"transfer-encoding: chunked")
    return Shot((start, *chunks, end), is_whole=whole)


def _slowly(found: Question, dice: Random) -> Shot:
    text = head("POST", found, len(found.body)) + found.body
    cuts = sorted(dice.randrange(len(text) + 1) for _ in range(dice.randint(1, 4)))
    bounds = [0, *cuts, len(text)]
    return Shot(tuple(text[a:b] for a, b in zip(bounds, bounds[1:], strict=False) if a < b))


def _wrong_length(found: Question, dice: Random) -> Shot:
    """Promise less than comes, or more: what is then an answer's due is the parser's affair."""
    length = len(found.body) + dice.choice([-20, -1, 1, 20, 10**9, 10**12])
    text = head("POST", found, max(0, length)) + found.body
    return Shot((text,), is_whole=False)


def _half(found: Question, dice: Random) -> Shot:
    text = head("POST", found, len(found.body)) + found.body
    return Shot((text[: dice.randrange(len(text))],), is_whole=False)


def _crooked(found: Question, dice: Random) -> Shot:
    """Break HTTP itself; whether an answer is due is the parser's affair."""
    good = head("POST", found, len(found.body)) + found.body
    start = head("POST", found, None)[:-2]
    broken = [
        start + b"content-length: x\r\n\r\n" + found.body,
        start + b"content-length: -5\r\n\r\n" + found.body,
        start + b"content-length: 1\r\ncontent-length: 2\r\n\r\n" + found.body,
        start + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
        start + b"transfer-encoding: gzip\r\n\r\n" + found.body,
        start + b"x" * 70_000 + b": y\r\n\r\n",
        start + b"no colon\r\n\r\n",
        start + b"a\x00b: c\r\n\r\n",
        good.replace(b"HTTP/1.1", b"HTTP/1.0", 1),
        good.replace(b"HTTP/1.1", b"HTTP/9.9", 1),
        good.replace(b"HTTP/1.1", b"", 1),
        good.replace(b"\r\n", b"\n"),
        dice.randbytes(60),
        b"\r\n\r\n" + good,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(40),
    ]
    return Shot((dice.choice(broken),), is_whole=False)
