"""The JSON shapes callers put rows in, and the shape each expects its predictions in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tridock.inference.codec.body import kind
from tridock.inference.codec.header import positions
from tridock.inference.data.cells import listing, shown
from tridock.inference.data.signature import Signature
from tridock.inference.errors import InvalidInputError

# Data frames as JSON, in the forms of pandas, MLflow and Azure ML, laid out as rows.

#: The members of pandas' «split» orientation (`DataFrame.to_json`).
SPLIT = frozenset(("columns", "index", "data"))


def listed(rows: list[Any], signature: Signature) -> list[Any]:
    """Return a list of rows, where it may be one row of plain values."""
    flat = bool(rows) and not any(isinstance(row, list | dict) for row in rows)
    return [rows] if flat and len(signature.fields) > 1 else rows


def of_split(key: str, value: object, signature: Signature) -> list[Any]:
    """Return the rows of a frame split into columns, index and data; the index is not looked at.

    Raises
    ------
    InvalidInputError
        If it is no such frame, or its columns lack a field.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("data"), list):
        raise InvalidInputError(
            f'{key!r}: expected {{"columns": [...], "data": [[...]]}}, got {kind(value)}'
        )
    if strange := sorted(value.keys() - SPLIT):
        raise InvalidInputError(f"{key!r}: unknown member {strange[0][:60]!r}: there are columns, "
                                "index and data")  # fmt: skip
    rows, columns = value["data"], value.get("columns")
    if columns is None:
        return listed(rows, signature)
    if not isinstance(columns, list) or any(type(column) not in (str, int) for column in columns):
        raise InvalidInputError(f"{key!r}: 'columns' is a list of names, got {kind(columns)}")
    return _chosen(key, columns, rows, signature)


def of_records(rows: list[Any], signature: Signature) -> list[Any]:
    """Return rows, without the members that no field is named by where every field is there."""
    names, needed = signature.names, set(signature.names)
    return [
        {name: row[name] for name in names}
        if isinstance(row, dict) and row.keys() > needed
        else row
        for row in rows
    ]


def of_columns(key: str, value: Mapping[str, Any], signature: Signature) -> list[Any]:
    """Return the rows of a frame that has a list of values under each column's name.

    Raises
    ------
    InvalidInputError
        If a field is lacking, or the columns are not lists of one length.
    """
    places = _places(key, list(value), signature)
    columns = list(value.values())
    chosen = {name: columns[place] for name, place in zip(signature.names, places, strict=True)}
    for name, column in chosen.items():
        if not isinstance(column, list):
            raise InvalidInputError(
                f"{key!r}: column {shown(name)} is a list of values, got {kind(column)}"
            )
    lengths = {len(column) for column in chosen.values()}
    if len(lengths) > 1:
        raise InvalidInputError(f"{key!r}: columns differ in length: {sorted(lengths)[:9]}")
    return [[_cell(cell) for cell in row] for row in zip(*chosen.values(), strict=True)]


def of_object(key: str, value: Mapping[str, Any], signature: Signature) -> list[Any]:
    """Return the rows of an object: a frame split, one row by names, or columns by names.

    Raises
    ------
    InvalidInputError
        If it is none of them.
    """
    if "data" in value and value.keys() <= SPLIT and "data" not in signature.names:
        return of_split(key, value, signature)
    if any(isinstance(each, list) for each in value.values()):
        return of_columns(key, value, signature)
    return of_records([dict(value)], signature)


def _chosen(
    key: str, columns: Sequence[str | int], rows: list[Any], signature: Signature
) -> list[Any]:
    """Put each row's values into the order of the fields."""
    if list(columns) == list(range(len(signature.fields))):  # a frame made of an array
        return rows
    places = _places(key, list(map(str, columns)), signature)
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            came = f"a list of {len(row)}" if isinstance(row, list) else kind(row)
            raise InvalidInputError(
                f"{key!r}: row {index}: expected a list of {len(columns)} values as there are "
                f"columns, got {came}"
            )
    return [[row[place] for place in places] for row in rows]


def _places(key: str, columns: list[str], signature: Signature) -> list[int]:
    places = positions(columns, signature.names)
    if places.is_complete:
        return [places.places[name] for name in signature.names]
    wrong, names = ("repeat", places.repeated) if places.repeated else ("lack", places.missing)
    raise InvalidInputError(
        f"{key!r}: the columns {wrong} {listing(map(shown, names))}: "
        f"they are {listing(map(shown, columns))}"
    )


def _cell(cell: Any) -> Any:
    """Return the value of a cell that is a column of one."""
    return cell[0] if isinstance(cell, list) and len(cell) == 1 else cell


class Envelope(Enum):
    """Form of the rows of a request, and of the predictions of its answer."""

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
#: Options of a request, by Vertex AI's name and by MLflow's.
PARAMETERS = ("parameters", "params")
#: What may be beside the rows: TensorFlow Serving names a function, of which there is one here.
BESIDE = (*PARAMETERS, "signature_name")


@dataclass(frozen=True)
class Ask:
    """Rows that a caller wants predicted, with their options.

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
        return Ask(listed(value, signature), Envelope.BARE)
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
    keys = [key for key in KEYS if key in value]
    strange = [key for key in value if key not in (*KEYS, *BESIDE)]
    if strange and not keys and set(strange) <= set(signature.names):
        raise InvalidInputError(
            f'field {strange[0]!r} stands outside of a row: send {{"features": {{...}}}}'
        )
    if strange:
        raise InvalidInputError(f"unknown field {strange[0][:60]!r}: {_usage()}")
    if len(keys) != 1:
        names = " and ".join(map(repr, keys)) or "no rows"
        raise InvalidInputError(f"{names} came: {_usage()}")
    return keys[0]


def _usage() -> str:
    return 'send {"instances": [...]}, {"features": [...]}, {"inputs": [...]} or a list of rows'


def _rows(key: str, value: object, signature: Signature) -> list[Any]:
    if key == "dataframe_split":
        return of_split(key, value, signature)
    if key == "dataframe_records":
        return of_records(_listed(key, value), signature)
    if key == "instances":
        return _listed(key, value)
    if isinstance(value, dict):
        return of_object(key, value, signature)
    if key == "inputs":
        return _listed(key, value)
    return of_records(listed(_listed(key, value), signature), signature)


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
    if strange := [parameter for parameter in parameters if parameter != "probabilities"]:
        raise InvalidInputError(
            f"{name!r}: unknown parameter {strange[0][:60]!r}: there is 'probabilities'"
        )
    value = parameters.get("probabilities", False)
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name!r}: 'probabilities' is true or false, got {kind(value)}")
    return value
