"""Rows written as the bodies of requests, in each form that the server reads, and replies read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import orjson

from tridock.inference.codec.body import dumps
from tridock.inference.data.field import Field, Scalar
from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.web.openinference.metadata import DATATYPES, PREDICT, PROBABILITIES

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

Row: TypeAlias = Sequence[Scalar | None]


@dataclass(frozen=True)
class Predictions:
    """Predictions of some rows.

    Attributes
    ----------
    labels : list
        JSON-ready values, one for each row.
    shares : ndarray
        Probabilities, rows by columns; no columns where none came.
    """

    labels: list[Any]
    shares: Array

    @classmethod
    def of(cls, values: Sequence[Any], output: OutputSignature) -> Predictions:
        """Take apart the values that `Answers.values` gives."""
        if not output.probabilities:
            return cls(list(values), np.empty((len(values), 0)))
        shares = [_listed(value["probabilities"]) for value in values]
        return cls([value["prediction"] for value in values], np.array(shares, dtype=float))

    def take(self, indices: Sequence[int]) -> Predictions:
        """Return some of them."""
        return Predictions([self.labels[index] for index in indices], self.shares[list(indices)])


@dataclass(frozen=True)
class Form:
    """One form of a request.

    Attributes
    ----------
    name : str
        For messages.
    media : str
        Content type.
    body : callable
        Writes rows.
    read : callable
        Reads the reply.
    carries : callable
        True if this form can hold a row.
    """

    name: str
    media: str
    body: Callable[[Signature, OutputSignature, Sequence[Row]], bytes]
    read: Callable[[bytes, OutputSignature], Predictions]
    carries: Callable[[Signature, Row], bool]


def _json(signature: Signature, output: OutputSignature, rows: Sequence[Row]) -> bytes:
    if signature.container == "text":
        return dumps({"instances": [row[0] for row in rows]})
    if signature.container == "array":
        return dumps({"instances": [list(row) for row in rows]})
    return dumps({"instances": [dict(zip(signature.names, row, strict=True)) for row in rows]})


def _csv(signature: Signature, output: OutputSignature, rows: Sequence[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(signature.names)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _tensors(signature: Signature, output: OutputSignature, rows: Sequence[Row]) -> bytes:
    plain = all(field.dtype == "number" for field in signature.fields)
    if signature.container == "array" and plain:
        shape, flat = [len(rows), len(signature.fields)], [cell for row in rows for cell in row]
        inputs = [{"name": "rows", "shape": shape, "datatype": "FP64", "data": flat}]
    else:
        columns = zip(signature.fields, zip(*rows, strict=True), strict=True)
        inputs = [_tensor(field, cells) for field, cells in columns]
    names = [PREDICT, PROBABILITIES] if _tells_shares(output) else [PREDICT]
    return dumps({"inputs": inputs, "outputs": [{"name": name} for name in names]})


def _tensor(field: Field, cells: Sequence[Scalar | None]) -> dict[str, Any]:
    head = {"name": field.name, "datatype": DATATYPES[field.dtype]}
    return {**head, "shape": [len(cells)], "data": list(cells)}


def _read_json(body: bytes, output: OutputSignature) -> Predictions:
    return Predictions.of(orjson.loads(body)["predictions"], output)


def _read_tensors(body: bytes, output: OutputSignature) -> Predictions:
    outputs = {each["name"]: each for each in orjson.loads(body)["outputs"]}
    shape, flat = outputs[PREDICT]["shape"], outputs[PREDICT]["data"]
    labels = np.array([*flat, None], dtype=object)[:-1].reshape(shape).tolist()
    if PROBABILITIES not in outputs:
        return Predictions(labels, np.empty((len(labels), 0)))
    shares = np.array(outputs[PROBABILITIES]["data"], dtype=float)
    return Predictions(labels, shares.reshape(outputs[PROBABILITIES]["shape"]))


def _cell(cell: Scalar | None) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _listed(shares: Any) -> list[Any]:
    """Return a row's probabilities one after the other, of several outputs too."""
    if isinstance(shares, dict):
        return list(shares.values())
    return [share for each in shares for share in each.values()]


def _tells_shares(output: OutputSignature) -> bool:
    return output.probabilities and not (output.classes and isinstance(output.classes[0], tuple))


def _any(signature: Signature, row: Row) -> bool:
    return True


def _in_csv(signature: Signature, row: Row) -> bool:
    """Tell whether no text of a row is one that means a missing value in CSV."""
    cells = zip(signature.fields, row, strict=True)
    return all(not isinstance(cell, str) or field.parse(cell) == cell for field, cell in cells)


FORMS = (
    Form("JSON", "application/json", _json, _read_json, _any),
    Form("CSV", "text/csv; header=present", _csv, _read_json, _in_csv),
    Form("tensors", "application/json", _tensors, _read_tensors, _any),
)
