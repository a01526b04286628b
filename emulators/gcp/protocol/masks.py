"""Field masks: of a resource that a client sends whole, only the named fields count."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any

from tridock.emulators.gcp.protocol.errors import InvalidArgumentError


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
