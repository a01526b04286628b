"""An inference request answered: tensors in, rows, predictions, tensors out."""

from __future__ import annotations

from functools import partial
from typing import Any

from inference.bundle import Bundle
from inference.codec.body import inflate
from inference.codec.jsontext import dumps, parse
from inference.codec.tensor import Blobs, Tensor
from inference.errors import InvalidInputError
from inference.exchange import Call, Order, Reply
from inference.openinference.layout import rows_of
from inference.openinference.metadata import DATATYPES, PREDICT, PROBABILITIES
from inference.openinference.question import Question
from inference.score import Loaded
from inference.signature import OutputSignature

#: How many bytes of the body are JSON, where tensors follow.
JSON_LENGTH = "inference-header-content-length"


def order(call: Call, loaded: Loaded) -> Order:
    """Read what an inference request wants; its answer has tensors as JSON or bytes, as asked for.

    Raises
    ------
    RequestError
        If it cannot be read.
    """
    body = inflate(call.body, call.headers.get("content-encoding", ""), call.limit)
    length = _json_length(call.headers.get(JSON_LENGTH), len(body))
    return order_of(parse(body[:length]), Blobs(body[length:]), loaded)


def order_of(value: object, blobs: Blobs, loaded: Loaded) -> Order:
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
    return Order(rows, PROBABILITIES in question.outputs, write)


def is_request(value: object) -> bool:
    """Tell whether a JSON value is an inference request rather than another envelope."""
    inputs = value.get("inputs") if isinstance(value, dict) else None
    first = inputs[0] if isinstance(inputs, list) and inputs else None
    return isinstance(first, dict) and {"name", "shape", "datatype"} <= first.keys()


def _write(
    predictions: list[Any], question: Question, output: OutputSignature, bundle: Bundle
) -> Reply:
    if PROBABILITIES in question.outputs:
        labels = [each["prediction"] for each in predictions]
        tensors = [_predicted(labels, output), _shares(predictions)]
    else:
        tensors = [_predicted(predictions, output)]
    wanted = [tensor for tensor in tensors if tensor.name in question.outputs]
    return _reply(question, wanted, bundle, len(predictions))


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


def _shares(records: list[dict[str, Any]]) -> Tensor:
    rows = [each["probabilities"] for each in records]
    if isinstance(rows[0], list):
        raise InvalidInputError(f"{PROBABILITIES} is for models of one output: ask on /predict")
    flat = [share for row in rows for share in row.values()]
    return Tensor(PROBABILITIES, "FP64", (len(rows), len(rows[0])), flat)


def _reply(question: Question, tensors: list[Tensor], bundle: Bundle, rows: int) -> Reply:
    head: dict[str, Any] = {"model_name": bundle.name, "model_version": bundle.version}
    if question.id is not None:
        head["id"] = question.id
    outputs, blobs = [], b""
    for tensor in tensors:
        if question.outputs[tensor.name]:
            record, data = tensor.to_binary()
            blobs += data
        else:
            record = tensor.to_json()
        outputs.append(record)
    text = dumps({**head, "outputs": outputs})
    if not any(question.outputs.values()):
        return Reply(text, rows=rows)
    headers = {"Inference-Header-Content-Length": str(len(text))}
    return Reply(text + blobs, "application/octet-stream", headers=headers, rows=rows)
