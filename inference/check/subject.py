"""The server under judgement, called over HTTP with bodies that it describes."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tridock.inference.check.example import (
    MissingExampleError,
    advertised,
    media_of,
    media_types,
    read,
    with_instances,
)

__all__ = ["Response", "MissingExampleError", "SilenceError", "Subject", "UnreachableError"]

#: Longer than any contract allows, so that a late answer is distinguished from none.
PATIENCE_SECONDS = 65.0
#: Requests that keep the server busy while its health is checked.
BUSY_CALLERS = 4
BUSY_SECONDS = 1.0
#: No server can take this for one of its requests.
BAD_BODY = b'{"not a request'


class UnreachableError(Exception):
    """No server answers at the address; the message says what happened."""


class SilenceError(Exception):
    """The server did not answer one request; the message says what happened."""


@dataclass(frozen=True)
class Response:
    """An answer.

    Attributes
    ----------
    status : int
        HTTP status.
    headers : HTTPMessage
        Its headers.
    body : bytes
        Its body.
    seconds : float
        From the connection's start to the body's end.
    connected : float
        Seconds until the connection was open.
    """

    status: int
    headers: HTTPMessage
    body: bytes
    seconds: float
    connected: float

    def json(self) -> Any:
        """Return the body's JSON value, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def told(self) -> str:
        """Say status, time and size in a few words."""
        return f"{self.status} in {self.seconds * 1000:.0f} ms, {len(self.body)} bytes"


@dataclass(frozen=True)
class Subject:
    """One server.

    Attributes
    ----------
    url : SplitResult
        Its address.
    file : Path or None
        A request body that works, if one was given.
    variables : Mapping[str, str]
        Those that name Vertex AI's routes, as the server has them.
    """

    url: SplitResult
    file: Path | None = None
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @classmethod
    def meet(cls, url: str, file: Path | None = None) -> Subject:
        """Make sure that a server listens.

        Raises
        ------
        UnreachableError
            If none does, or `url` is no HTTP address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UnreachableError(f"{url} is not an address: give http://HOST:PORT")
        subject = cls(parts, file)
        try:
            subject.ask("GET", "/")
        except SilenceError as error:
            raise UnreachableError(f"no server answers at {url}: {error}") from error
        return subject

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Send one request on a connection of its own.

        Raises
        ------
        SilenceError
            If no answer comes.
        """
        start = time.monotonic()
        try:
            with closing(self._connection()) as connection:
                connection.connect()
                connected = time.monotonic() - start
                connection.request(method, self.url.path.rstrip("/") + path, body, headers or {})
                with connection.getresponse() as response:
                    content = response.read()
                    spent = time.monotonic() - start
                    return Response(response.status, response.headers, content, spent, connected)
        except (OSError, HTTPException) as error:
            spent = time.monotonic() - start
            reason = f"{type(error).__name__}: {error}"
            raise SilenceError(f"no answer after {spent:.1f} s: {reason}") from error

    def post(self, path: str, media: str = "application/json", **headers: str) -> Response:
        """Send the example of a content type that works on `path`.

        Raises
        ------
        MissingExampleError
            If there is none.
        """
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(
            "POST", path, body=self.example(path, media), headers={"content-type": media, **sent}
        )

    def example(self, path: str, media: str = "application/json") -> bytes:
        """Return a body that `path` takes: the given file, or what the server itself shows."""
        if self.file and media_of(self.file) == media:
            return read(self.file)
        return advertised(self.description, path, media)

    def media_of(self, path: str) -> frozenset[str]:
        """Return the content types that the server says `path` takes."""
        return media_types(self.description, path)

    def instances(self) -> dict[str, Any]:
        """Return a body as Vertex AI sends it."""
        given = self.example(self.vertex_predict) if self.file else None
        return with_instances(self.description, given)

    @cached_property
    def description(self) -> Any:
        """The server's OpenAPI document, or None."""
        for path in ("/openapi.json", "/swagger.json?version=3"):
            came = self.ask("GET", path)
            if came.status == 200 and isinstance(document := came.json(), dict):
                return document
        return None

    @property
    def vertex_health(self) -> str:
        """The route that Vertex AI asks for health."""
        return self.variables.get("AIP_HEALTH_ROUTE") or "/health"

    @property
    def vertex_predict(self) -> str:
        """The route that Vertex AI sends predictions to."""
        return self.variables.get("AIP_PREDICT_ROUTE") or "/predict"

    def health_while_busy(self, health: str, path: str) -> float:
        """Return the longest time `health` took, in seconds, while `path` had work.

        Raises
        ------
        MissingExampleError
            If there is no work to give.
        SilenceError
            If there was no answer, or none of 200.
        """
        self.example(path)
        end = time.monotonic() + BUSY_SECONDS
        callers = [
            threading.Thread(target=self._work, args=(path, end)) for _ in range(BUSY_CALLERS)
        ]
        for caller in callers:
            caller.start()
        try:
            return max(self._health_times(health, end))
        finally:
            for caller in callers:
                caller.join()

    def _work(self, path: str, end: float) -> None:
        while time.monotonic() < end:
            try:
                self.post(path)
            except SilenceError:
                return

    def _health_times(self, health: str, end: float) -> list[float]:
        times = []
        while time.monotonic() < end:
            came = self.ask("GET", health)
            if came.status != 200:
                raise SilenceError(f"{came.told()} while busy")
            times.append(came.seconds)
            time.sleep(0.05)
        return times

    def _connection(self) -> http.client.HTTPConnection:
        kind = HTTPSConnection if self.url.scheme == "https" else HTTPConnection
        return kind(self.url.hostname or "", self.url.port, timeout=PATIENCE_SECONDS)
