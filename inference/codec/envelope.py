"""The JSON shapes callers put rows in, and the shape each expects its predictions in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from inference.errors import InvalidInputError
from inference.signature import Signature


class Envelope(Enum):
    """What rows came in, and so what predictions go back in."""

    INSTANCES = "instances"
    INPUTS = "inputs"
    FEATURES = "features"
    ROW = "one row under features"
    BARE = "a bare list"


#: Names of the envelopes, as sent.
KEYS = ("instances", "features", "inputs")
#: The name its predictions go back under; a bare list goes back bare.
ANSWERS = {
    Envelope.INSTANCES: "predictions",
    Envelope.INPUTS: "predictions",
    Envelope.FEATURES: "prediction",
    Envelope.ROW: "prediction",
}


@dataclass(frozen=True)
class Ask:
    """What a caller wants predicted.

    Attributes
    ----------
    rows : object
        Rows, not yet checked against the signature.
    envelope : Envelope
        What they came in.
    probabilities : bool
        Whether each prediction shall come with its classes' probabilities.
    """

    rows: Any
    envelope: Envelope
    probabilities: bool = False


def open_envelope(value: object, signature: Signature) -> Ask:
    """Find the rows in a JSON value.

    Raises
    ------
    InvalidInputError
        If it is none of the shapes, or has a name that none of them has.
    """
    if isinstance(value, list):
        return _bare(value, signature)
    if not isinstance(value, dict):
        raise InvalidInputError(f"expected an object or a list, got {_kind(value)}: {_usage()}")
    key = _key(value, signature)
    probabilities = _probabilities(value.get("parameters"))
    if key == "features":
        rows, envelope = _features(value[key], signature)
        return Ask(rows, envelope, probabilities)
    return Ask(_listed(key, value[key]), Envelope(key), probabilities)


def wrap(predictions: list[Any], envelope: Envelope) -> Any:
    """Put predictions into the shape that answers `envelope`."""
    if envelope is Envelope.BARE:
        return predictions
    return {ANSWERS[envelope]: predictions[0] if envelope is Envelope.ROW else predictions}


def _key(value: dict[str, Any], signature: Signature) -> str:
    found = [key for key in KEYS if key in value]
    strange = [key for key in value if key not in (*KEYS, "parameters")]
    if strange and not found and set(strange) <= set(signature.names):
        raise InvalidInputError(
            f'field {strange[0]!r} stands outside of a row: send {{"features": {{...}}}}'
        )
    if strange:
        raise InvalidInputError(f"unknown field {strange[0][:60]!r}: {_usage()}")
    if len(found) != 1:
        names = " and ".join(map(repr, found)) or "no rows"
        raise InvalidInputError(f"{names} came: {_usage()}")
    return found[0]


def _usage() -> str:
    return 'send {"instances": [...]}, {"features": [...]}, {"inputs": [...]} or a list of rows'


def _features(value: object, signature: Signature) -> tuple[Any, Envelope]:
    """Tell one row from several."""
    if isinstance(value, dict) or (isinstance(value, str) and len(signature.fields) == 1):
        return [value], Envelope.ROW
    rows = _listed("features", value)
    if not rows or signature.container == "text" or isinstance(rows[0], list | dict):
        return rows, Envelope.FEATURES
    return [rows], Envelope.ROW


def _bare(value: list[Any], signature: Signature) -> Ask:
    flat = bool(value) and not any(isinstance(row, list | dict) for row in value)
    rows = [value] if flat and len(signature.fields) > 1 else value
    return Ask(rows, Envelope.BARE)


def _listed(key: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInputError(f"{key!r}: expected a list of rows, got {_kind(value)}")
    return value


def _probabilities(parameters: object) -> bool:
    if parameters is None:
        return False
    if not isinstance(parameters, dict):
        raise InvalidInputError(f"'parameters': expected an object, got {_kind(parameters)}")
    if strange := [name for name in parameters if name != "probabilities"]:
        raise InvalidInputError(
            f"'parameters': unknown parameter {strange[0][:60]!r}: there is 'probabilities'"
        )
    value = parameters.get("probabilities", False)
    if not isinstance(value, bool):
        raise InvalidInputError(
            f"'parameters': 'probabilities' is true or false, got {_kind(value)}"
        )
    return value


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")
