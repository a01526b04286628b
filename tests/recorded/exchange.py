"""A request as bytes, sent over a plain socket, and its answers read byte for byte."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from tests.recorded.fixed import fixed, shortened
from tests.recorded.record import Record

#: Seconds to wait for an answer; the slowest takes a second.
PATIENCE = 30.0
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Shot:
    """Bytes to send, and the number of answers to read.

    Attributes
    ----------
    name : str
        Unique among those that go to a server.
    raw : bytes
        The whole request, or several, or what is none.
    answers : int
        Read so many, or fewer when the server closes the connection.
    is_head : bool
        The answers have no bodies.
    names_only : bool
        Of the body only the names of metrics are recorded.
    """

    name: str
    raw: bytes
    answers: int = 1
    is_head: bool = False
    names_only: bool = False


def request(
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes of an HTTP/1.1 request; its length is added where there is a body."""
    sent = {"host": "model", **(headers or {})}
    if body is not None and "transfer-encoding" not in sent:
        sent.setdefault("content-length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")


def get(path: str, **headers: str) -> Shot:
    """Return a GET that is named by its path and its headers."""
    return shot("GET", path, None, {name.replace("_", "-"): v for name, v in headers.items()})


def shot(
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    name: str = "",
) -> Shot:
    """Return one request; without a name it is named by its method, path and headers."""
    told = " ".join(f"{key}={value}" for key, value in (headers or {}).items())
    return Shot(
        name or f"{method} {path} {told}".strip(),
        request(method, path, body, headers),
        is_head=method == "HEAD",
        names_only=path.endswith("/metrics") and method in ("GET", "HEAD"),
    )


def send(port: int, shot: Shot, *, server: str, places: dict[str, str]) -> list[Record]:
    """Send a shot on a connection of its own, and return one record for each answer."""
    records = []
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        # Where it is refused before its end, the answer is there to be read.
        with suppress(OSError):
            connection.sendall(shot.raw)
        with connection.makefile("rb") as stream:
            for number in range(shot.answers):
                parts = _answer(stream, shot)
                parts = {key: shortened(fixed(text, places)) for key, text in parts.items()}
                suffix = f" #{number + 1}" if shot.answers > 1 else ""
                records.append(Record(f"{server} {shot.name}{suffix}", parts))
    return records


def _answer(stream: BinaryIO, shot: Shot) -> dict[str, str]:
    status, headers = _head(stream)
    if not status:
        return {"status": "closed without an answer"}
    # An informational answer comes before the answer proper (RFC 9110, "15.2. Informational 1xx").
    if status.startswith("HTTP/1.1 100"):
        later = _answer(stream, shot)
        return {**later, "status": f"{status}, then {later['status']}"}
    body = b"" if shot.is_head else _body(stream, dict(headers))
    if shot.names_only:
        body = _metric_names(body)
        headers = [pair for pair in headers if pair[0].lower() != "content-length"]
    text = body.decode("utf-8", errors="backslashreplace")
    return {"status": status, "headers": _sorted(headers), "body": text}


def _head(stream: BinaryIO) -> tuple[str, list[tuple[str, str]]]:
    status = _line(stream)
    headers = []
    while line := _line(stream):
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    return status, headers


def _line(stream: BinaryIO) -> str:
    try:
        return stream.readline().decode("latin-1").rstrip("\r\n")
    except (ConnectionError, TimeoutError) as error:
        return f"{type(error).__name__}" if isinstance(error, TimeoutError) else ""


def _body(stream: BinaryIO, headers: dict[str, str]) -> bytes:
    named = {name.lower(): value for name, value in headers.items()}
    if named.get("transfer-encoding") == "chunked":
        parts = []
        while size := int(stream.readline(), 16):
            parts.append(stream.read(size))
            stream.readline()
        stream.readline()
        return b"".join(parts)
    return stream.read(int(named.get("content-length", "0")))


def _sorted(headers: list[tuple[str, str]]) -> str:
    """Join the headers in the order of their names."""
    return "\n".join(f"{name}: {_lasting(name.lower(), value)}" for name, value in sorted(headers))


def _lasting(name: str, value: str) -> str:
    """Return a header's value, or a word for one that differs from run to run."""
    if name == "x-request-id" and not value.startswith("caller-"):
        return "ID"
    return "N" if name == "x-ms-run-fn-exec-ms" else value


def _metric_names(body: bytes) -> bytes:
    """Return the lines about metrics, and the name of each sample once."""
    lines = body.decode().splitlines()
    samples = [line.partition(" ")[0].partition("{")[0] for line in lines if line[:1] != "#"]
    about = [line for line in lines if line.startswith("#")]
    return "\n".join([*about, *sorted(set(samples))]).encode()
