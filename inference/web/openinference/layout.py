"""Tensors laid out as the rows that a model takes."""

from __future__ import annotations

from typing import Any

from tridock.inference.codec.tensor import Tensor
from tridock.inference.data.signature import Signature
from tridock.inference.errors import InvalidInputError


def rows_of(tensors: list[Tensor], signature: Signature) -> Any:
    """Lay tensors out as rows.

    Parameters
    ----------
    tensors : list of Tensor
        One of shape ``[rows, fields]``; or one for each field, with its name and of shape
        ``[rows]`` or ``[rows, 1]``.
    signature : Signature
        The fields.

    Raises
    ------
    InvalidInputError
        If they are neither; which values fit is left to the row check.
    """
    width = len(signature.fields)
    first = tensors[0]
    if len(tensors) == 1 and len(first.shape) == 2 and (width > 1 or first.shape[1] != 1):
        return _matrix(first)
    if len(tensors) == width == 1:
        return [[cell] for cell in _column(first)]
    columns = {tensor.name: _column(tensor) for tensor in tensors}
    if sorted(columns) != sorted(signature.names) or len(columns) != len(tensors):
        raise InvalidInputError(
            f"inputs {_names(columns)} came: send one of shape [rows, {width}], or one for each "
            f"of {_names(signature.names)}"
        )
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidInputError(f"inputs differ in their number of rows: {lengths}"[:400])
    return [list(row) for row in zip(*(columns[name] for name in signature.names), strict=True)]


def _matrix(tensor: Tensor) -> Any:
    """Return a tensor's rows, as NumPy's where that is how they came and nothing is missing."""
    if not isinstance(tensor.values, list) and tensor.datatype.startswith("FP"):
        return tensor.values.reshape(tensor.shape)  # type: ignore[union-attr]
    cells, width = tensor.listed(), tensor.shape[1]
    return [cells[at : at + width] for at in range(0, len(cells), width)] if width else []


def _column(tensor: Tensor) -> list[Any]:
    if len(tensor.shape) > 2 or tensor.shape[1:] not in ((), (1,)):
        raise InvalidInputError(
            f"input {tensor.name!r}: expected shape [rows] or [rows, 1], got {list(tensor.shape)}"
        )
    return tensor.listed()


def _names(names: Any) -> str:
    text = ", ".join(map(repr, names))
    return text if len(text) <= 200 else text[:200] + "..."
