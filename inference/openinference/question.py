"""An inference request, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.codec.tensor import Blobs, Tensor, read_tensor
from inference.errors import InvalidInputError
from inference.openinference.metadata import PREDICT, PROBABILITIES
from inference.signature import OutputSignature


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
        return cls(request_id, tensors, _wanted(value, output))


def _wanted(value: Mapping[str, Any], output: OutputSignature) -> dict[str, bool]:
    """Return the outputs to give, and whether each as bytes; by default the predictions."""
    parameters, asked = _object(value.get("parameters")), value.get("outputs")
    binary = _true(parameters.get("binary_data_output", False))
    if asked is None or asked == []:
        more = {PROBABILITIES: binary} if _true(parameters.get("probabilities", False)) else {}
        return {PREDICT: binary} | more
    if not isinstance(asked, list) or not all(isinstance(each, dict) for each in asked):
        raise InvalidInputError("'outputs': expected a list of objects with a name")
    known = (PREDICT, PROBABILITIES) if output.probabilities else (PREDICT,)
    for each in asked:
        if each.get("name") not in known:
            name = str(each.get("name"))[:60]
            raise InvalidInputError(
                f"unknown output {name!r}: there is {', '.join(map(repr, known))}"
            )
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
