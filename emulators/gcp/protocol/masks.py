"""Field masks: of a resource that a client sends whole, only the named fields count."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from tridock.emulators.gcp.protocol.errors import InvalidArgumentError, UnimplementedError
from tridock.emulators.gcp.protocol.schema import FOLDER, pattern
from tridock.emulators.gcp.protocol.wire import Request


def merge(
    current: Mapping[str, Any], sent: Mapping[str, Any], *, mask: str, allowed: Collection[str]
) -> dict[str, Any]:
    """Return `current` with the masked fields of `sent` (google/protobuf/field_mask.proto).

    A masked field that was not sent is cleared. No mask means every field that was sent.

    Parameters
    ----------
    mask : str
        JSON form: lowerCamelCase paths joined by commas.
    allowed : Collection of str
        First parts of the paths that may change.

    Raises
    ------
    InvalidArgumentError
        If the mask names a field that may not change.
    """
    paths = [path for path in mask.split(",") if path]
    if not paths or paths == ["*"]:
        paths = [name for name in sent if name in allowed]
    changed: dict[str, Any] = deepcopy(dict(current))
    for path in paths:
        if path.partition(".")[0] not in allowed:
            raise InvalidArgumentError(f"Update mask field is not supported: {path}")
        _set(changed, path.split("."), sent)
    return changed


def _set(target: dict[str, Any], path: list[str], sent: Mapping[str, Any]) -> None:
    head, *rest = path
    if rest:
        inner = sent.get(head, {})
        _set(target.setdefault(head, {}), rest, inner if isinstance(inner, Mapping) else {})
    elif head in sent:
        target[head] = deepcopy(sent[head])
    else:
        target.pop(head, None)


# Names of methods that Google documents and the emulator has not, to say which was called.


def unimplemented(request: Request) -> UnimplementedError:
    """Return the error that names the method of `request`, as far as Google's documents tell."""
    for name, verb, route in _documents():
        plain = request.path.removeprefix("/upload").removeprefix("/download")
        if verb == request.verb and pattern(route).fullmatch(plain):
            return UnimplementedError(f"{name} is not emulated.")
    return UnimplementedError(f"{request.verb} {request.path} is not emulated.")


@cache
def _documents() -> tuple[tuple[str, str, str], ...]:
    documents = json.loads((FOLDER / "documents.json").read_text())
    return tuple(tuple(entry) for api in documents.values() for entry in api)
