"""One request to the emulated Azure and its answer, free of any web framework."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tridock.emulators.azure.http.errors import invalid
from tridock.emulators.azure.http.front import Front


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes
    ----------
    method : str
        Upper case.
    path : str
        Decoded, from the leading slash.
    query : Mapping[str, str]
        Decoded; names as the client wrote them.
    headers : Mapping[str, str]
        Names in lower case.
    body : bytes
        As it came.
    front : Front
        The names under which the caller sees the emulator.
    raw_path : str
        The path as it was sent, with its percent signs.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    front: Front
    raw_path: str = ""

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty body is an empty object.

        Raises
        ------
        AzureError
            400 if it is something else.
        """
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise invalid(f"The request content was invalid: {error}") from error
        if not isinstance(value, dict):
            raise invalid(f"The request body must be a JSON object, not {type(value).__name__}.")
        return value


@dataclass(frozen=True)
class Answer:
    """A response.

    Attributes
    ----------
    status : int
        HTTP status.
    content : object
        Bytes as they are; None for no body; anything else is sent as JSON.
    headers : Mapping[str, str]
        Beside those that every answer has.
    """

    status: int = 200
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """Return the bytes to send."""
        if self.content is None:
            return b""
        if isinstance(self.content, bytes):
            return self.content
        return json.dumps(self.content).encode()

    def media_type(self) -> str | None:
        """Return the content type that follows from the content."""
        return None if self.content is None or isinstance(self.content, bytes) else JSON


JSON = "application/json; charset=utf-8"
