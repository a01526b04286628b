"""JSON Schema (of OpenAPI 3.1) for one model's rows, envelopes and predictions."""

from __future__ import annotations

from typing import Any

from tridock.inference.bundle.manifest import Example
from tridock.inference.data.field import Dtype, Field
from tridock.inference.data.signature import OutputSignature, Signature

Schema = dict[str, Any]

TYPES: dict[Dtype, str] = {
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "string": "string",
}
PARAMETERS: Schema = {
    "type": ["object", "null"],
    "description": "What else is asked for.",
    "properties": {
        "probabilities": {
            "type": "boolean",
            "default": False,
            "description": "Give each prediction with the probability of every class.",
        }
    },
    "additionalProperties": False,
}
ERROR: Schema = {
    "type": "object",
    "properties": {
        "error": {"type": "string", "description": "What is wrong, where, and what to do."},
        "code": {"type": "string", "description": "The same for machines."},
    },
    "required": ["error", "code"],
}
TENSOR: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "data": {"type": "array", "items": {}},
        "parameters": {"type": ["object", "null"]},
    },
    "required": ["name", "datatype", "shape"],
}


def cell(field: Field) -> Schema:
    """Describe one value of a row: its type, its categories, the range it had in training."""
    kind: Any = TYPES[field.dtype]
    described: Schema = {"type": [kind, "null"] if field.nullable else kind}
    if field.categories:
        described |= {"enum": _choices(field)} if field.closed else _examples(field)
    if words := _told(field):
        described["description"] = words
    return described


def named_row(signature: Signature) -> Schema:
    """Describe a row as an object with the fields' names."""
    return {
        "type": "object",
        "properties": {field.name: cell(field) for field in signature.fields},
        "required": list(signature.names),
        "additionalProperties": False,
    }


def listed_row(signature: Signature) -> Schema:
    """Describe a row as a list in the order of the fields."""
    cells = [{"title": field.name, **cell(field)} for field in signature.fields]
    width = len(cells)
    return {
        "type": "array",
        "prefixItems": cells,
        "items": {},
        "minItems": width,
        "maxItems": width,
        "description": "In this order: " + ", ".join(signature.names[:50]),
    }


def row(signature: Signature) -> Schema:
    """Describe a row in every form that is taken."""
    forms = [{"$ref": "#/components/schemas/NamedRow"}, {"$ref": "#/components/schemas/ListedRow"}]
    bare = [cell(signature.fields[0])] if len(signature.fields) == 1 else []
    return {"anyOf": bare + forms}


def example_rows(signature: Signature, examples: tuple[Example, ...]) -> list[Any]:
    """Return the rows of two examples, named where the model's columns are."""
    rows = [example.input for example in examples[:2]]
    if signature.container != "dataframe":
        return rows
    return [dict(zip(signature.names, row, strict=True)) for row in rows]


def envelope(key: str, rows: Schema, examples: list[Any]) -> Schema:
    """Describe an object with rows under `key`, with an example that works."""
    described: Schema = {
        "type": "object",
        "properties": {key: rows, "parameters": PARAMETERS},
        "required": [key],
        "additionalProperties": False,
    }
    if examples:
        described["example"] = {key: examples}
    return described


def answers(key: str, examples: tuple[Example, ...]) -> Schema:
    """Describe an object with predictions under `key`; under ``"prediction"``, one or several."""
    each = {"$ref": "#/components/schemas/Prediction"}
    several: Schema = {"type": "array", "items": each}
    described: Schema = {
        "type": "object",
        "properties": {key: several if key == "predictions" else {"anyOf": [several, each]}},
        "required": [key],
    }
    if examples:
        described["example"] = {key: [example.prediction for example in examples[:2]]}
    return described


def prediction(output: OutputSignature) -> Schema:
    """Describe one prediction, with and without probabilities."""
    value: Schema = {"type": TYPES[output.dtype]}
    if output.classes and not output.shape:
        value["enum"] = list(output.classes)
    for length in reversed(output.shape):
        value = {"type": "array", "items": value, "minItems": length, "maxItems": length}
    if not output.probabilities:
        return value
    # A model that overflows answers with NaN, which is null in JSON.
    shares = {"type": "object", "additionalProperties": {"type": ["number", "null"]}}
    return {"anyOf": [value, _object(prediction=value, probabilities=shares)]}


def inference_request(example: Schema | None) -> Schema:
    """Describe a request of the Open Inference Protocol."""
    tensors = {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}}
    named = {**_object(name={"type": "string"}), "required": ["name"]}
    described: Schema = {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"]},
            "parameters": {"type": ["object", "null"]},
            "inputs": {**tensors, "minItems": 1},
            "outputs": {"type": ["array", "null"], "items": named},
        },
        "required": ["inputs"],
    }
    return described | ({"example": example} if example else {})


def inference_response() -> Schema:
    """Describe an answer of the Open Inference Protocol."""
    tensors = {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}}
    text = {"type": "string"}
    return _object(model_name=text, model_version=text, id=text, outputs=tensors)


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _choices(field: Field) -> list[Any]:
    return [*field.categories, None] if field.nullable else list(field.categories)


def _examples(field: Field) -> Schema:
    return {"examples": list(field.categories[:20])}


def _told(field: Field) -> str:
    parts = []
    if field.minimum is not None:
        parts.append(f"{field.minimum:g} to {field.maximum:g} in training; others are accepted")
    if field.categories and not field.closed:
        parts.append("categories that training did not see are accepted")
    if field.nullable:
        parts.append("null where it is missing")
    return "; ".join(parts)
