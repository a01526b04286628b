"""Classes by number: what a graph chooses its labels by, as an output of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tridock.inference.model.onnx_engine import CODES

#: Operators that choose from their first input by the indices in their second.
CHOICES = ("Gather", "ArrayFeatureExtractor")
#: Operators that only change an array's shape.
SHAPES = ("Reshape", "Squeeze", "Unsqueeze", "Identity")


def expose(graph: Any) -> list[str]:
    """Let a graph whose labels are chosen from strings tell the indices, too.

    Parameters
    ----------
    graph : onnx.GraphProto
        Gets an output `CODES`, if it can.

    Returns
    -------
    list of str
        The strings; empty if it cannot.
    """
    from onnx import TensorProto, helper

    made = {name: node for node in graph.node for name in node.output}
    choice = _through_shapes(made, graph.output[0].name)
    constants = {each.name: each for each in graph.initializer}
    if choice is None or choice.op_type not in CHOICES or choice.input[0] not in constants:
        return []
    names, index = constants[choice.input[0]], choice.input[1]
    if names.data_type != TensorProto.STRING or not _is_whole(made, index):
        return []
    if index in {each.name for each in graph.output}:
        return []
    _rename(graph, index)
    graph.output.append(helper.make_tensor_value_info(CODES, TensorProto.INT64, None))
    return [each.decode() for each in names.string_data]


def _through_shapes(made: Mapping[str, Any], name: str) -> Any:
    """Return the node that made a value, whatever was done to its shape; None for an input."""
    node = made.get(name)
    while node is not None and node.op_type in SHAPES:
        node = made.get(node.input[0])
    return node


def _is_whole(made: Mapping[str, Any], name: str) -> bool:
    """Tell whether a value is known to be 64-bit integers."""
    from onnx import TensorProto

    node = _through_shapes(made, name)
    if node is None or node.op_type == "ArgMax":
        return node is not None
    to = [each.i for each in node.attribute if each.name == "to"]
    return node.op_type == "Cast" and to == [TensorProto.INT64]


def _rename(graph: Any, name: str) -> None:
    for node in graph.node:
        node.input[:] = [CODES if each == name else each for each in node.input]
        node.output[:] = [CODES if each == name else each for each in node.output]
