"""An inference request, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tridock.inference.codec.tensor import Blobs, Tensor, read_tensor
from tridock.inference.data.cells import shown
from tridock.inference.data.signature import OutputSignature
from tridock.inference.errors import InvalidInputError
from tridock.inference.web.openinference.metadata import PREDICT, PROBABILITIES


@dataclass(frozen=True)
class Wanted:
    """How one output is wanted.

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
        """Whether any output is wanted as bytes."""
        return any(wanted.binary for wanted in self.outputs.values())

    @property
    def needs_probabilities(self) -> bool:
        """Whether any output is made of the classes' probabilities."""
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
    parameters, asked = _object(value.get("parameters")), value.get("outputs")
    binary = _true(parameters.get("binary_data_output", False))
    if asked is None or asked == []:
        names = [PREDICT]
        if _true(parameters.get("probabilities", False)):
            names.append(PROBABILITIES)
        return {name: Wanted(binary) for name in names}
    if not isinstance(asked, list) or not all(isinstance(each, dict) for each in asked):
        raise InvalidInputError("'outputs': expected a list of objects with a name")
    known = (PREDICT, PROBABILITIES) if output.probabilities else (PREDICT,)
    for each in asked:
        if each.get("name") not in known:
            name = str(each.get("name"))[:60]
            raise InvalidInputError(
                f"unknown output {name!r}: there is {', '.join(map(repr, known))}"
            )
    return {each["name"]: _output(each["name"], each.get("parameters"), binary) for each in asked}


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
