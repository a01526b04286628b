"""An inference request answered: tensors in, rows, predictions, tensors out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.codec.body import dumps, inflate, parse
from tridock.inference.codec.tensor import Blobs, Tensor, read_tensor
from tridock.inference.data.cells import shown
from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.errors import InvalidInputError
from tridock.inference.messages import Call, PredictionRequest, Reply
from tridock.inference.score import Loaded
from tridock.inference.web.openinference.metadata import DATATYPES, PREDICT, PROBABILITIES

#: How many bytes of the body are JSON, where tensors follow.
JSON_LENGTH = "inference-header-content-length"


def read_call(call: Call, loaded: Loaded) -> PredictionRequest:
    """Read what an inference request wants; its answer has tensors as JSON or bytes, as requested.

    Raises
    ------
    RequestError
        If it cannot be read.
    """
    body = inflate(call.body, call.headers.get("content-encoding", ""), call.limit)
    length = _json_length(call.headers.get(JSON_LENGTH), len(body))
    return read_value(parse(body[:length]), Blobs(body[length:]), loaded)


def read_value(value: object, blobs: Blobs, loaded: Loaded) -> PredictionRequest:
    """Read what an inference request wants whose JSON is already parsed.

    Raises
    ------
    RequestError
        If it is none, or asks for what there is not.
    """
    if loaded.model is None or loaded.script:
        raise InvalidInputError("a scoring script answers here: call /score with its own format")
    output = loaded.model.output
    question = Question.read(value, blobs, output)
    rows = rows_of(question.inputs, loaded.model.signature)
    write = partial(_write, question=question, output=output, bundle=loaded.bundle)
    return PredictionRequest(rows, question.needs_probabilities, write)


def is_request(value: object) -> bool:
    """Tell whether a JSON value is an inference request rather than another envelope."""
    inputs = value.get("inputs") if isinstance(value, dict) else None
    first = inputs[0] if isinstance(inputs, list) and inputs else None
    return isinstance(first, dict) and {"name", "shape", "datatype"} <= first.keys()


def _write(
    predictions: list[Any], question: Question, output: OutputSignature, bundle: Bundle
) -> Reply:
    labels = predictions
    if question.needs_probabilities:
        labels = [prediction["prediction"] for prediction in predictions]
    tensors = []
    # The outputs come in the order of the model's, not in that of the request.
    for name in (name for name in (PREDICT, PROBABILITIES) if name in question.outputs):
        wanted = question.outputs[name]
        if wanted.classes:
            tensors.append(_classified(name, _by_class(predictions), wanted.classes))
        elif name == PREDICT:
            tensors.append(_predicted(labels, output))
        else:
            tensors.append(_shares(_by_class(predictions)))
    return _reply(question, tensors, bundle, len(predictions))


def _json_length(header: str | None, length: int) -> int:
    if header is None:
        return length
    if not header.isdecimal() or len(header) > 15 or int(header) > length:
        raise InvalidInputError(f"{JSON_LENGTH} is {header[:20]!r} and the body has {length} bytes")
    return int(header)


def _predicted(predictions: list[Any], output: OutputSignature) -> Tensor:
    flat = predictions
    for _ in output.shape:
        flat = [cell for row in flat for cell in row]
    return Tensor(PREDICT, DATATYPES[output.dtype], (len(predictions), *output.shape), flat)


def _by_class(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = [record["probabilities"] for record in records]
    if isinstance(rows[0], list):
        raise InvalidInputError(f"{PROBABILITIES} is for models of one output: ask on /predict")
    return rows


def _shares(rows: list[dict[str, Any]]) -> Tensor:
    flat = [share for row in rows for share in row.values()]
    return Tensor(PROBABILITIES, "FP64", (len(rows), len(rows[0])), flat)


def _classified(name: str, rows: list[dict[str, Any]], most: int) -> Tensor:
    """Write the most probable classes as Triton does: ``value:index:label``."""
    count = min(most, len(rows[0]))
    texts = [text for row in rows for text in _ranked(row)[:count]]
    return Tensor(name, "BYTES", (len(rows), count), texts)


def _ranked(row: dict[str, Any]) -> list[str]:
    shares = [(math.nan if share is None else share, *each) for share, each in
              zip(row.values(), enumerate(row), strict=True)]  # fmt: skip
    ranked = sorted(shares, key=lambda each: (math.isnan(each[0]), -each[0], each[1]))
    return [f"{share:.6f}:{index}:{label}" for share, index, label in ranked]


def _reply(question: Question, tensors: list[Tensor], bundle: Bundle, rows: int) -> Reply:
    served = bundle.manifest
    head: dict[str, Any] = {"model_name": served.name, "model_version": served.version}
    if question.id is not None:
        head["id"] = question.id
    outputs, blobs = [], b""
    for tensor in tensors:
        if question.outputs[tensor.name].binary:
            record, data = tensor.to_binary()
            blobs += data
        else:
            record = tensor.to_json()
        outputs.append(record)
    text = dumps({**head, "outputs": outputs})
    if not question.is_binary:
        return Reply(text, rows=rows)
    headers = {"Inference-Header-Content-Length": str(len(text))}
    return Reply(text + blobs, "application/octet-stream", headers=headers, rows=rows)


# Tensors laid out as the rows that a model takes.


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


# An inference request, read and checked.


@dataclass(frozen=True)
class Wanted:
    """Form of one output.

    Attributes
    ----------
    binary : bool
        As bytes.
    classes : int
        As that many classes, the most probable first (Triton, «Classification Extension»); 0: as
        the tensor it is.
    """

    binary: bool
    classes: int = 0


@dataclass(frozen=True)
class Question:
    """An inference request.

    Attributes
    ----------
    id : str or None
        Echoed.
    inputs : list of Tensor
        What came.
    outputs : Mapping[str, Wanted]
        The outputs wanted, by name.
    """

    id: str | None
    inputs: list[Tensor]
    outputs: Mapping[str, Wanted]

    @property
    def is_binary(self) -> bool:
        """True if any output is wanted as bytes."""
        return any(wanted.binary for wanted in self.outputs.values())

    @property
    def needs_probabilities(self) -> bool:
        """True if any output is made of the classes' probabilities."""
        named = PROBABILITIES in self.outputs
        return named or any(wanted.classes for wanted in self.outputs.values())

    @classmethod
    def read(cls, value: object, blobs: Blobs, output: OutputSignature) -> Question:
        """Read a request's JSON value, and the bytes after it.

        Raises
        ------
        InvalidInputError
            If it is none, or asks for an output that `output` does not have.
        """
        if not isinstance(value, dict):
            raise InvalidInputError('expected an object: send {"inputs": [...]}')
        # Other members are not looked at, as Triton and KServe do it: KServe's client sends
        # `model_name`. The path names the model.
        inputs, request_id = value.get("inputs"), value.get("id")
        if not isinstance(inputs, list) or not inputs:
            raise InvalidInputError("'inputs': expected a list of tensors")
        if request_id is not None and not isinstance(request_id, str):
            raise InvalidInputError("'id': expected a string")
        tensors = [read_tensor(record, blobs) for record in inputs]
        blobs.check_empty()
        return cls(request_id, tensors, _wanted(value, output))


def _wanted(value: Mapping[str, Any], output: OutputSignature) -> dict[str, Wanted]:
    """Return the outputs to give; by default the predictions."""
    parameters, named = _object(value.get("parameters")), value.get("outputs")
    binary = _true(parameters.get("binary_data_output", False))
    if named is None or named == []:
        names = [PREDICT]
        if _true(parameters.get("probabilities", False)):
            names.append(PROBABILITIES)
        return {name: Wanted(binary) for name in names}
    if not isinstance(named, list) or not all(isinstance(each, dict) for each in named):
        raise InvalidInputError("'outputs': expected a list of objects with a name")
    known = (PREDICT, PROBABILITIES) if output.probabilities else (PREDICT,)
    for each in named:
        if each.get("name") not in known:
            name = str(each.get("name"))[:60]
            raise InvalidInputError(
                f"unknown output {name!r}: there is {', '.join(map(repr, known))}"
            )
    return {each["name"]: _output(each["name"], each.get("parameters"), binary) for each in named}


def _output(name: str, parameters: object, binary: bool) -> Wanted:
    given = _object(parameters)
    classes = given.get("classification", 0)
    if type(classes) is not int or not 0 <= classes < 1 << 31:
        raise InvalidInputError(
            f"output {name!r}: classification is a number of classes, got {shown(classes)}"
        )
    return Wanted(_true(given.get("binary_data", binary)), classes)


def _object(value: object) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise InvalidInputError("'parameters': expected an object")
    return value or {}


def _true(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError("'parameters': binary_data and probabilities are true or false")
    return value
