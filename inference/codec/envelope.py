"""The JSON shapes callers put rows in, and the shape each expects its predictions in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from tridock.inference.codec import frame
from tridock.inference.codec.jsontext import kind
from tridock.inference.data.signature import Signature
from tridock.inference.errors import InvalidInputError


class Envelope(Enum):
    """What rows came in, and so what predictions go back in."""

    INSTANCES = "instances"
    INPUTS = "inputs"
    FEATURES = "features"
    SPLIT = "dataframe_split"
    RECORDS = "dataframe_records"
    DATA = "data"
    INPUT_DATA = "input_data"
    ROW = "one row under features"
    BARE = "a bare list"


#: Names of the envelopes, as sent: TensorFlow Serving's, Vertex AI's and KServe's v1; the classic
#: one; MLflow's («Deploy MLflow Model as a Local Inference Server», «Accepted Input Formats»);
#: Azure ML's of examples and of MLflow models («Deploy MLflow models to online endpoints»).
KEYS = (
    "instances",
    "features",
    "inputs",
    "dataframe_split",
    "dataframe_records",
    "data",
    "input_data",
)
#: The name its predictions go back under; those that are not here get a bare list.
ANSWERS = {
    Envelope.INSTANCES: "predictions",
    Envelope.INPUTS: "predictions",
    Envelope.SPLIT: "predictions",
    Envelope.RECORDS: "predictions",
    Envelope.FEATURES: "prediction",
    Envelope.ROW: "prediction",
}
#: What else is asked for, by Vertex AI's name and by MLflow's.
PARAMETERS = ("parameters", "params")
#: What may be beside the rows: TensorFlow Serving names a function, of which there is one here.
BESIDE = (*PARAMETERS, "signature_name")


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
        return Ask(frame.listed(value, signature), Envelope.BARE)
    if not isinstance(value, dict):
        raise InvalidInputError(f"expected an object or a list, got {kind(value)}: {_usage()}")
    key = _key(value, signature)
    given = [_probabilities(name, value.get(name)) for name in PARAMETERS]
    probabilities = any(given)
    if key == "features":
        rows, envelope = _features(value[key], signature)
        return Ask(rows, envelope, probabilities)
    return Ask(_rows(key, value[key], signature), Envelope(key), probabilities)


def wrap(predictions: list[Any], envelope: Envelope) -> Any:
    """Put predictions into the shape that answers `envelope`."""
    if envelope not in ANSWERS:
        return predictions
    return {ANSWERS[envelope]: predictions[0] if envelope is Envelope.ROW else predictions}


def _key(value: dict[str, Any], signature: Signature) -> str:
    found = [key for key in KEYS if key in value]
    strange = [key for key in value if key not in (*KEYS, *BESIDE)]
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


def _rows(key: str, value: object, signature: Signature) -> list[Any]:
    if key == "dataframe_split":
        return frame.of_split(key, value, signature)
    if key == "dataframe_records":
        return frame.of_records(_listed(key, value), signature)
    if key == "instances":
        return _listed(key, value)
    if isinstance(value, dict):
        return frame.of_object(key, value, signature)
    if key == "inputs":
        return _listed(key, value)
    return frame.of_records(frame.listed(_listed(key, value), signature), signature)


def _features(value: object, signature: Signature) -> tuple[Any, Envelope]:
    """Tell one row from several."""
    if isinstance(value, dict) or (isinstance(value, str) and len(signature.fields) == 1):
        return [value], Envelope.ROW
    rows = _listed("features", value)
    if not rows or signature.container == "text" or isinstance(rows[0], list | dict):
        return rows, Envelope.FEATURES
    return [rows], Envelope.ROW


def _listed(key: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInputError(f"{key!r}: expected a list of rows, got {kind(value)}")
    return value


def _probabilities(name: str, parameters: object) -> bool:
    if parameters is None:
        return False
    if not isinstance(parameters, dict):
        raise InvalidInputError(f"{name!r}: expected an object, got {kind(parameters)}")
    if strange := [each for each in parameters if each != "probabilities"]:
        raise InvalidInputError(
            f"{name!r}: unknown parameter {strange[0][:60]!r}: there is 'probabilities'"
        )
    value = parameters.get("probabilities", False)
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name!r}: 'probabilities' is true or false, got {kind(value)}")
    return value
