"""An HTTP request and its answer, as the emulated interfaces see them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tridock.emulators.gcp.protocol.errors import InvalidArgumentError

JSON = "application/json; charset=UTF-8"


@dataclass(frozen=True)
class Request:
    """One request, read whole.

    Attributes
    ----------
    verb : str
        HTTP method.
    host : str
        Name the client connected to, lower case, with its port if it sent one.
    path : str
        As it was sent: percent-encoded, without the query.
    query : tuple of (str, str)
        Decoded pairs, in order.
    headers : Mapping of str to str
        Names in lower case.
    body : bytes
        Everything that came.
    prefix : str
        What was before `path`, and must be before that of every link in the answer.
    """

    verb: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    prefix: str = ""

    @property
    def origin(self) -> str:
        """Scheme and host as the client sees them, and the prefix; TLS but on the loopback."""
        local = self.host.startswith(("127.0.0.1", "localhost"))
        return f"{'http' if local else 'https'}://{self.host}{self.prefix}"

    @property
    def query_string(self) -> str:
        """The query, encoded."""
        return urlencode(self.query)

    @property
    def parameters(self) -> Mapping[str, str]:
        """The query as a mapping; of a repeated name, the last."""
        return dict(self.query)

    @property
    def content_type(self) -> str:
        """The body's media type as sent, or empty."""
        return self.headers.get("content-type", "")

    def json(self) -> Any:
        """Return the body as JSON; an empty one as an empty object.

        Raises
        ------
        InvalidArgumentError
            If it is not JSON, in the words of Google's front end.
        """
        if not self.body.strip():
            return {}
        try:
            return json.loads(self.body, parse_constant=_no_constant)
        except ValueError as error:
            words = f"Invalid JSON payload received. {error}"
            raise InvalidArgumentError(words) from error


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes
    ----------
    status : int
        HTTP status.
    body : bytes or Iterable of bytes
        Whole, or in parts as they come.
    headers : Mapping of str to str
        Header names and values.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> Iterable[bytes]:
        """The body in parts, also where it is whole."""
        return (self.body,) if isinstance(self.body, bytes) else self.body

    @classmethod
    def of(cls, record: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """Return `record` as JSON."""
        return cls(status, json.dumps(record).encode(), {"content-type": JSON, **(headers or {})})


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
