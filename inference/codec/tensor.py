"""Tensors of the Open Inference Protocol, as JSON and in its binary extension."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tridock.inference.codec.body import kind
from tridock.inference.data.cells import nullable
from tridock.inference.errors import InvalidInputError

#: Data types (Open Inference Protocol, «Tensor Data Types») as NumPy's; little-endian on the wire.
NUMPY = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
DATATYPES = (*NUMPY, "BYTES")


@dataclass(frozen=True)
class Tensor:
    """A named array of values.

    Attributes
    ----------
    name : str
        Its name.
    datatype : str
        One of `DATATYPES`.
    shape : tuple of int
        Length of each dimension.
    values : Sequence
        Python values in row-major order, or a flat NumPy array; as many as the shape has.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Sequence[Any] | np.ndarray[Any, Any]

    def listed(self) -> list[Any]:
        """Return the values as Python's, with None for NaN."""
        if isinstance(self.values, np.ndarray):
            return nullable(self.values)
        return list(self.values)

    def to_json(self) -> dict[str, Any]:
        """Return it as the protocol's JSON object."""
        return {**self._head(), "data": self.listed()}

    def to_binary(self) -> tuple[dict[str, Any], bytes]:
        """Return its JSON object without data, and the data's bytes."""
        data = _bytes_of(self)
        return {**self._head(), "parameters": {"binary_data_size": len(data)}}, data

    def _head(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def read_tensor(record: object, blobs: Blobs) -> Tensor:
    """Read one of the ``inputs`` of an inference request.

    Parameters
    ----------
    record : object
        The protocol's JSON object.
    blobs : Blobs
        The bytes after the JSON, of which a tensor without ``data`` takes its own.

    Raises
    ------
    InvalidInputError
        If it is not a tensor whose data fits its shape and data type.
    """
    if not isinstance(record, dict) or not isinstance(record.get("name"), str):
        raise InvalidInputError("inputs: each is an object with name, shape, datatype and data")
    name = record["name"][:100]
    datatype, shape = record.get("datatype"), _shape(name, record.get("shape"))
    if datatype not in DATATYPES:
        raise InvalidInputError(
            f"input {name!r}: datatype {str(datatype)[:20]!r} is not read: "
            f"send one of {', '.join(DATATYPES)}"
        )
    size = _blob_size(name, record.get("parameters"))
    values: Sequence[Any] | np.ndarray[Any, Any]
    if size is None:
        values = _typed(name, datatype, list(_flattened(name, record.get("data"))))
    else:
        values = _from_bytes(name, datatype, blobs.take(name, size))
    if len(values) != math.prod(shape):
        raise InvalidInputError(
            f"input {name!r}: shape {list(shape)} has {math.prod(shape)} values, got {len(values)}"
        )
    return Tensor(name, datatype, shape, values)


class Blobs:
    """The bytes that follow the JSON in the binary extension, taken in the order of the inputs.

    Parameters
    ----------
    data : bytes
        All of them.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._taken = 0

    def take(self, name: str, size: int) -> bytes:
        """Return the next `size` bytes, for the input `name`."""
        taken = self._data[self._taken : self._taken + size]
        if len(taken) < size:
            raise InvalidInputError(f"input {name!r}: expected {size} bytes, got {len(taken)}")
        self._taken += size
        return taken

    def check_empty(self) -> None:
        """Refuse bytes that belong to no input."""
        if rest := len(self._data) - self._taken:
            raise InvalidInputError(f"{rest} bytes follow that belong to no input")


def _shape(name: str, shape: object) -> tuple[int, ...]:
    fits = isinstance(shape, list) and 0 < len(shape) <= 8
    if not fits or any(type(n) is not int or not 0 <= n < 1 << 31 for n in shape):  # type: ignore[attr-defined]
        raise InvalidInputError(f"input {name!r}: shape is a list of up to 8 lengths")
    return tuple(shape)  # type: ignore[arg-type]


def _blob_size(name: str, parameters: object) -> int | None:
    size = parameters.get("binary_data_size") if isinstance(parameters, Mapping) else None
    if size is not None and (type(size) is not int or size < 0):
        raise InvalidInputError(f"input {name!r}: binary_data_size is a number of bytes")
    return size


def _flattened(name: str, data: object) -> Iterator[Any]:
    """Yield the values of nested or flat lists, in order."""
    if not isinstance(data, list):
        raise InvalidInputError(f"input {name!r}: data is a list, flat or nested as the shape is")
    waiting = [iter(data)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, list):
                waiting.append(iter(value))
                break
            yield value
        else:
            waiting.pop()


def _typed(name: str, datatype: str, values: list[Any]) -> list[Any]:
    # null is a missing value: NaN, which JSON cannot write, and what other types have no word for.
    allowed: set[type] = {int, type(None)}
    if datatype in ("BOOL", "BYTES"):
        allowed = {bool if datatype == "BOOL" else str, type(None)}
    elif datatype.startswith("FP"):
        allowed |= {float}
    if set(map(type, values)) - allowed:
        strange = min(kind(value) for value in values if type(value) not in allowed)
        raise InvalidInputError(f"input {name!r}: {strange} came in data of datatype {datatype}")
    return values


def _from_bytes(name: str, datatype: str, data: bytes) -> Sequence[Any] | np.ndarray[Any, Any]:
    if datatype == "BYTES":
        return list(_strings(name, data))
    dtype = np.dtype(NUMPY[datatype])
    if len(data) % dtype.itemsize:
        raise InvalidInputError(
            f"input {name!r}: {len(data)} bytes are no whole number of {datatype}"
        )
    return np.frombuffer(data, dtype)


def _strings(name: str, data: bytes) -> Iterator[str]:
    """Yield strings, each behind its length in four bytes, little-endian."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        piece = data[at + 4 : at + 4 + length]
        if len(piece) < length or at + 4 > len(data):
            raise InvalidInputError(f"input {name!r}: a string ends behind the data")
        try:
            yield piece.decode()
        except UnicodeDecodeError as error:
            raise InvalidInputError(f"input {name!r}: a string is not UTF-8") from error
        at += 4 + length


def _bytes_of(tensor: Tensor) -> bytes:
    if tensor.datatype != "BYTES":
        cells = [math.nan if cell is None else cell for cell in tensor.values]
        return np.array(cells, NUMPY[tensor.datatype]).tobytes()
    encoded = (str(value).encode() for value in tensor.values)
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
