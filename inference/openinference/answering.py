"""An inference request answered: tensors in, rows, predictions, tensors out."""

from __future__ import annotations

from typing import Any

from inference import score
from inference.bundle import Bundle
from inference.codec.body import inflate
from inference.codec.jsontext import dumps, parse
from inference.codec.tensor import Blobs, Tensor
from inference.errors import InvalidInputError
from inference.exchange import Call, Reply
from inference.openinference.layout import rows_of
from inference.openinference.metadata import DATATYPES, PREDICT, PROBABILITIES
from inference.openinference.question import Question
from inference.score import Loaded
from inference.signature import OutputSignature

#: How many bytes of the body are JSON, where tensors follow.
JSON_LENGTH = "inference-header-content-length"


def answer(call: Call, loaded: Loaded) -> Reply:
    """Answer an inference request, with tensors as JSON or bytes as each output is asked for.

    Raises
    ------
    RequestError
        If it cannot be answered.
    """
    body = inflate(call.body, call.headers.get("content-encoding", ""), call.limit)
    length = _json_length(call.headers.get(JSON_LENGTH), len(body))
    return respond(parse(body[:length]), Blobs(body[length:]), loaded)


def respond(value: object, blobs: Blobs, loaded: Loaded) -> Reply:
    """Answer an inference request whose JSON is already parsed.

    Raises
    ------
    RequestError
        If it cannot be answered.
    """
    if loaded.model is None or loaded.script:
        raise InvalidInputError("a scoring script answers here: call /score with its own format")
    signature, output = loaded.model.signature, loaded.model.output
    question = Question.read(value, blobs, output)
    rows = rows_of(question.inputs, signature)
    if PROBABILITIES in question.outputs:
        records = score.run_with_probabilities(rows)
        tensors = [_predicted([each["prediction"] for each in records], output), _shares(records)]
    else:
        tensors = [_predicted(score.run(rows), output)]
    wanted = [tensor for tensor in tensors if tensor.name in question.outputs]
    return _reply(question, wanted, loaded.bundle, tensors[0].shape[0])


def is_request(value: object) -> bool:
    """Tell whether a JSON value is an inference request rather than another envelope."""
    inputs = value.get("inputs") if isinstance(value, dict) else None
    first = inputs[0] if isinstance(inputs, list) and inputs else None
    return isinstance(first, dict) and {"name", "shape", "datatype"} <= first.keys()


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
