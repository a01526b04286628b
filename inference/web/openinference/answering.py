"""An inference request answered: tensors in, rows, predictions, tensors out."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.codec.body import inflate
from tridock.inference.codec.jsontext import dumps, parse
from tridock.inference.codec.tensor import Blobs, Tensor
from tridock.inference.data.signature import OutputSignature
from tridock.inference.errors import InvalidInputError
from tridock.inference.messages import Call, Order, Reply
from tridock.inference.score import Loaded
from tridock.inference.web.openinference.layout import rows_of
from tridock.inference.web.openinference.metadata import DATATYPES, PREDICT, PROBABILITIES
from tridock.inference.web.openinference.question import Question

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
    return Order(rows, question.needs_probabilities, write)


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
        labels = [each["prediction"] for each in predictions]
    tensors = []
    # The outputs come in the order of the model's, whatever that of the request.
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
    rows = [each["probabilities"] for each in records]
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
    head: dict[str, Any] = {"model_name": bundle.name, "model_version": bundle.version}
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
