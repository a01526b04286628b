"""The Open Inference Protocol, version 2, as KServe, Triton and MLServer speak it.

Sources: Open Inference Protocol, «HTTP/REST» («Inference», «Model Metadata», «Health») and
Triton's «Binary Tensor Data Extension» and «Model Repository Extension».
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference import score
from inference.bundle import Bundle
from inference.codec.body import inflate
from inference.codec.jsontext import dumps, parse
from inference.codec.tensor import Blobs, Tensor, read_tensor
from inference.errors import InferenceError, InvalidInputError
from inference.exchange import Call, Reply
from inference.lifecycle import Lifecycle
from inference.manifest import Manifest
from inference.score import Loaded
from inference.signature import Dtype, OutputSignature, Signature

MODEL_PATHS = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
#: How many bytes of the body are JSON, where tensors follow.
JSON_LENGTH = "inference-header-content-length"
DATATYPES: dict[Dtype, str] = {
    "number": "FP64",
    "integer": "INT64",
    "boolean": "BOOL",
    "string": "BYTES",
}
#: The outputs' names, as other scikit-learn servers call them.
PREDICT, PROBABILITIES = "predict", "predict_proba"


class UnknownModelError(InferenceError):
    """The path names another model, or another version, than this server has."""


@dataclass(frozen=True)
class Question:
    """An inference request.

    Attributes
    ----------
    id : str or None
        Echoed.
    inputs : list of Tensor
        What came.
    outputs : Mapping[str, bool]
        Names of the outputs wanted, and whether each is wanted as bytes.
    """

    id: str | None
    inputs: list[Tensor]
    outputs: Mapping[str, bool]


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
    question = _question(value, blobs, output)
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


def check_model(path: Mapping[str, str], bundle: Bundle) -> None:
    """Check that a path's model and version are the ones served.

    Raises
    ------
    UnknownModelError
        If they are not; the message has those that are.
    """
    named = path["model"], path.get("version", bundle.version)
    if named != (bundle.name, bundle.version):
        raise UnknownModelError(
            f"no model {named[0][:100]!r} version {named[1][:100]!r} here: this server has "
            f"{bundle.name!r} version {bundle.version!r}"
        )


def server_metadata() -> dict[str, Any]:
    """Tell what this server is."""
    return {
        "name": "tridock",
        "version": "0.1.0",
        "extensions": ["binary_tensor_data", "model_repository"],
    }


def model_metadata(loaded: Loaded) -> dict[str, Any]:
    """Tell the model's inputs and outputs."""
    bundle = loaded.bundle
    head = {"name": bundle.name, "versions": [bundle.version]}
    if loaded.model is None or loaded.script:
        return {**head, "platform": "script", "inputs": [], "outputs": []}
    return {
        **head,
        "platform": bundle.manifest.framework,
        "inputs": _inputs(loaded.model.signature),
        "outputs": _outputs(loaded.model.output),
    }


def model_ready(loaded: Loaded) -> dict[str, Any]:
    """Tell that the model is ready."""
    return {"name": loaded.bundle.name, "ready": True}


def index(lifecycle: Lifecycle) -> list[dict[str, str]]:
    """List the models: the one that is served."""
    bundle, problem = lifecycle.loaded().bundle, lifecycle.problem()
    state = "UNAVAILABLE" if problem else "READY"
    return [{"name": bundle.name, "version": bundle.version, "state": state, "reason": problem}]


def example(manifest: Manifest) -> dict[str, Any] | None:
    """Return an inference request that works, made of the manifest's first example."""
    signature = manifest.signature
    if signature is None or not manifest.examples:
        return None
    given = manifest.examples[0].input
    row = given if isinstance(given, list) else [given]
    inputs = _inputs(signature)
    shares = [row] if len(inputs) == 1 else [[cell] for cell in row]
    return {
        "inputs": [
            {**tensor, "shape": [1, *tensor["shape"][1:]], "data": share}
            for tensor, share in zip(inputs, shares, strict=True)
        ]
    }


def _question(value: object, blobs: Blobs, output: OutputSignature) -> Question:
    if not isinstance(value, dict):
        raise InvalidInputError('expected an object: send {"inputs": [...]}')
    if strange := value.keys() - {"id", "inputs", "outputs", "parameters"}:
        raise InvalidInputError(
            f"unknown field {min(strange)[:60]!r}: there are id, inputs, outputs"
        )
    inputs, request_id = value.get("inputs"), value.get("id")
    if not isinstance(inputs, list) or not inputs:
        raise InvalidInputError("'inputs': expected a list of tensors")
    if request_id is not None and not isinstance(request_id, str):
        raise InvalidInputError("'id': expected a string")
    tensors = [read_tensor(record, blobs) for record in inputs]
    blobs.check_empty()
    return Question(request_id, tensors, _wanted(value, output))


def _wanted(value: Mapping[str, Any], output: OutputSignature) -> dict[str, bool]:
    """Return the outputs to give, and whether each as bytes; by default the predictions."""
    parameters, asked = _object(value.get("parameters")), value.get("outputs")
    binary = _true(parameters.get("binary_data_output", False))
    if not asked:
        more = {PROBABILITIES: binary} if _true(parameters.get("probabilities", False)) else {}
        return {PREDICT: binary} | more
    if not isinstance(asked, list) or not all(isinstance(each, dict) for each in asked):
        raise InvalidInputError("'outputs': expected a list of objects with a name")
    known = (PREDICT, PROBABILITIES) if output.probabilities else (PREDICT,)
    for each in asked:
        if each.get("name") not in known:
            name = str(each.get("name"))[:60]
            raise InvalidInputError(f"unknown output {name!r}: there is {_names(known)}")
    return {
        each["name"]: _true(_object(each.get("parameters")).get("binary_data", binary))
        for each in asked
    }


def _object(value: object) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise InvalidInputError("'parameters': expected an object")
    return value or {}


def _true(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError("'parameters': binary_data and probabilities are true or false")
    return value


def _json_length(header: str | None, length: int) -> int:
    if header is None:
        return length
    if not header.isdecimal() or len(header) > 15 or int(header) > length:
        raise InvalidInputError(f"{JSON_LENGTH} is {header[:20]!r} and the body has {length} bytes")
    return int(header)


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


def _inputs(signature: Signature) -> list[dict[str, Any]]:
    if signature.container == "array":
        kinds = {DATATYPES[field.dtype] for field in signature.fields}
        shape = [-1, len(signature.fields)]
        return [{"name": "input", "datatype": _common(kinds), "shape": shape}]
    return [
        {"name": field.name, "datatype": DATATYPES[field.dtype], "shape": [-1]}
        for field in signature.fields
    ]


def _common(kinds: set[str]) -> str:
    if len(kinds) == 1:
        return next(iter(kinds))
    return "BYTES" if "BYTES" in kinds else "FP64"


def _outputs(output: OutputSignature) -> list[dict[str, Any]]:
    predicted = {"name": PREDICT, "datatype": DATATYPES[output.dtype], "shape": [-1, *output.shape]}
    if not output.probabilities or output.shape:
        return [predicted]
    shares = {"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, len(output.classes)]}
    return [predicted, shares]


def _names(names: Any) -> str:
    text = ", ".join(map(repr, names))
    return text if len(text) <= 200 else text[:200] + "..."
