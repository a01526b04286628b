"""Arrays in NumPy's own format, as SageMaker's `NumpySerializer` sends and reads them.

Format: NumPy Enhancement Proposal 1, «A simple file format for NumPy arrays».
"""

from __future__ import annotations

import io
import math
import sys
from typing import Any

import numpy as np
from numpy.lib import format as npy

from tridock.inference.data.cells import nullable
from tridock.inference.data.signature import Signature
from tridock.inference.errors import InvalidInputError

#: Kinds of values that JSON has, too: booleans, integers, floating-point numbers and strings.
KINDS = "biufU"
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read(body: bytes, signature: Signature) -> Any:
    """Read rows: an array of rows by fields, one row, or a value for each row of one field.

    Nothing is unpickled, and no more memory is taken than the body has.

    Raises
    ------
    InvalidInputError
        If it is no such array.
    """
    array = _array(body)
    if array.ndim == 1:
        array = array.reshape(1, -1) if len(signature.fields) > 1 else array.reshape(-1, 1)
    if array.ndim != 2:
        raise InvalidInputError(
            f"the array has shape {list(array.shape)}: send one of [rows, {len(signature.fields)}]"
        )
    if array.dtype.kind in "iuf" and not np.isnan(array).any():
        return array
    return nullable(array)


def write(predictions: list[Any]) -> bytes:
    """Write predictions as an array; with probabilities, an array of rows by classes.

    Raises
    ------
    InvalidInputError
        If they have no common type, as the probabilities of several outputs.
    """
    values = [_values(prediction) for prediction in predictions]
    try:
        array = np.array(values)
    except ValueError as error:  # lists of different lengths
        raise InvalidInputError(REFUSED) from error
    if array.dtype.kind == "O":
        array = _with_missing(values)
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


REFUSED = "these predictions are no array of one type: ask for application/json"


def _values(prediction: Any) -> Any:
    if not isinstance(prediction, dict):
        return prediction
    shares = prediction["probabilities"]
    if not isinstance(shares, dict):
        raise InvalidInputError(REFUSED)
    return list(shares.values())


def _with_missing(values: list[Any]) -> Any:
    """Return numbers with NaN where one is missing."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(REFUSED) from error


def _array(body: bytes) -> Any:
    stream = io.BytesIO(body)
    try:
        shape, is_fortran, dtype = HEADERS[npy.read_magic(stream)](stream)
    except Exception as error:  # any error of Python's tokenizer and parser about the header
        raise InvalidInputError("the body is not an array in NumPy's format (.npy)") from error
    if dtype.hasobject:
        raise InvalidInputError(
            "the array holds Python objects, which are never unpickled: send numbers, booleans or "
            "strings, such as array.astype(float) or array.astype(str)"
        )
    if dtype.kind not in KINDS or not dtype.itemsize or (dtype.kind == "f" and dtype.itemsize > 8):
        raise InvalidInputError(
            f"the array is of type {str(dtype)[:60]}: send numbers, booleans or strings"
        )
    data = body[stream.tell() :]
    if min(shape, default=0) < 0 or len(data) != math.prod(shape) * dtype.itemsize:
        raise InvalidInputError(
            f"the array of shape {list(shape)} and type {dtype} has "
            f"{math.prod(shape) * dtype.itemsize} bytes, got {len(data)}"
        )
    if dtype.kind == "U" and data:
        _check_unicode(data, dtype.byteorder)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")


def _check_unicode(data: bytes, order: str) -> None:
    """Refuse what would be a SystemError once it is made strings."""
    if int(np.frombuffer(data, np.dtype(f"{order}u4")).max()) > sys.maxunicode:
        raise InvalidInputError("the array holds characters that are not Unicode")
