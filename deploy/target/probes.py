"""Requests to judge a deployment by, and what their answers should be."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tridock.deploy.target.errors import ConfigError

if TYPE_CHECKING:
    from tridock.inference.bundle.bundle import Bundle


@dataclass(frozen=True)
class Probe:
    """One request, and the answer's predictions as the bundle promised them, if it did."""

    body: bytes
    expected: tuple[Any, ...] = ()


class Timed(bytes):
    """An answer that says how long it took, where other requests were sent to come by it.

    Attributes
    ----------
    milliseconds : float
        From the request that it answers.
    """

    milliseconds: float

    @classmethod
    def of(cls, body: bytes, milliseconds: float) -> Self:
        """Return `body` with its time."""
        made = cls(body)
        made.milliseconds = milliseconds
        return made


def probes(bundle: Bundle, request: Path | None) -> tuple[Probe, ...]:
    """Return the requests to judge by: the bundle's examples, else the request in a file.

    Raises
    ------
    ConfigError
        If there are neither.
    """
    examples = bundle.manifest.examples
    if examples:
        return tuple(
            Probe(json.dumps({"instances": [example.input]}).encode(), (example.prediction,))
            for example in examples
        )
    if request:
        return (Probe(read_request(request)),)
    raise ConfigError(
        f"nothing to judge {bundle.name} {bundle.version} by: its bundle has no examples. Name a "
        "JSON file that it answers as `request` in release.toml, or set gates.requests to 0"
    )


def check_request(bundle: Bundle, file: Path) -> None:
    """Refuse the request in a file if the model of `bundle` would refuse it.

    Raises
    ------
    ConfigError
        With the model server's reason.
    """
    from tridock.inference.codec.body import parse
    from tridock.inference.codec.envelope import open_envelope
    from tridock.inference.errors import RequestError
    from tridock.inference.web.openinference import is_request

    body, signature = read_request(file), bundle.manifest.signature
    if signature is None:  # Only its script knows what it takes.
        return
    try:
        value = parse(body, "utf-8")
        if not is_request(value):
            signature.rows(open_envelope(value, signature).rows)
    except RequestError as error:
        raise ConfigError(
            f"the request {file} is refused by {bundle.name} {bundle.version}: {error}. Name "
            "another JSON file as `request` in release.toml, or leave the key out: then the "
            "bundle's own example is sent"
        ) from error


def read_request(file: Path) -> bytes:
    """Return the request in a file.

    Raises
    ------
    ConfigError
        If there is none.
    """
    try:
        return file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"the request {file} cannot be read: {error.strerror}") from error


# Equality of predictions as JSON values.


def same(one: object, other: object, tolerance: float) -> bool:
    """Tell whether two JSON values are equal, numbers within `tolerance`.

    An integer equals the float of its value: Vertex AI answers every number as a float.
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            same(left, right, tolerance) for left, right in zip(one, other, strict=True)
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            same(value, other[key], tolerance) for key, value in one.items()
        )
    return one == other
