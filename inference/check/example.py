"""Request bodies that work: given in a file, or shown in the server's own description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUFFIXES = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".jsonl": "application/jsonlines",
    ".ndjson": "application/jsonlines",
}
ADVICE = "give one with --example FILE"


class MissingExampleError(Exception):
    """There is no body to send; the message says how to give one."""


def media_of(file: Path) -> str:
    """Return the content type of a file by its name."""
    return SUFFIXES.get(file.suffix.lower(), "application/json")


def media_types(description: Any, path: str) -> frozenset[str]:
    """Return the content types that an OpenAPI document says a route takes."""
    return frozenset(_get(description, "paths", path, "post", "requestBody", "content") or ())


def read(file: Path) -> bytes:
    """Return a given file's bytes.

    Raises
    ------
    MissingExampleError
        If it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise MissingExampleError(f"{file} cannot be read: {error.strerror}") from error


def advertised(description: Any, path: str, media: str) -> bytes:
    """Return the example that an OpenAPI document shows for a route, or for any other.

    Raises
    ------
    MissingExampleError
        If it shows none.
    """
    body = next(_examples(description, media, first=path), None)
    if body is None:
        raise MissingExampleError(f"the server describes no {media} example: {ADVICE}")
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def with_instances(description: Any, given: bytes | None) -> dict[str, Any]:
    """Return a body of the form ``{"instances": [...]}``.

    Raises
    ------
    MissingExampleError
        If none is given or shown.
    """
    shown = [_parsed(given)] if given else _examples(description, "application/json")
    for example in shown:
        if isinstance(example, list):
            return {"instances": example}
        if isinstance(example, dict) and isinstance(example.get("instances"), list):
            return {"instances": example["instances"]}
    raise MissingExampleError(f'no example has "instances": {ADVICE}')


def _parsed(given: bytes) -> Any:
    try:
        return json.loads(given)
    except ValueError as error:
        raise MissingExampleError(f"the example is not JSON: {error}") from error


def _examples(description: Any, media: str, *, first: str = "") -> Iterator[Any]:
    """Yield the examples of all POST routes, those of the route `first` before the others."""
    paths = description.get("paths", {}) if isinstance(description, dict) else {}
    for path in sorted(paths, key=lambda path: path != first):
        content = _get(paths[path], "post", "requestBody", "content", media)
        if content is not None:
            yield from _shown(description, content)


def _shown(description: Any, content: Any) -> Iterator[Any]:
    schema = _get(content, "schema") or {}
    reference = schema.get("$ref", "")
    if reference:
        schema = _get(description, *reference.removeprefix("#/").split("/")) or {}
    for holder in (content, schema):
        if "example" in holder:
            yield holder["example"]


def _get(node: Any, *keys: str) -> Any:
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node
