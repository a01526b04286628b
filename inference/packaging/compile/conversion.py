"""A fitted model as an ONNX graph: skl2onnx's conversion, in each way the model may allow."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from tridock.inference.data.signature import Field, Signature
from tridock.inference.model.onnx_engine import CLASSES, MARKED, ROWS, TERMS
from tridock.inference.packaging.compile import boosters, codes, converters, vectorizers
from tridock.inference.packaging.compile.unwrapping import Steps, unwrapped

Precision: TypeAlias = Literal["double", "mixed", "single"]
Layout: TypeAlias = Literal["matrix", "columns"]

#: What the converters are asked for: skl2onnx's newest, and the one of trees it knows.
OPSETS = {"": 22, "ai.onnx.ml": 3}
#: The operators of trees in double precision came with this version of their domain.
TREES = {"ai.onnx.ml": 5}


@dataclass(frozen=True)
class Way:
    """One way to convert a model.

    Attributes
    ----------
    layout : str
        ``"matrix"``: one input for all columns; ``"columns"``: one for each.
    precision : str
        ``"double"``; ``"mixed"``: fed in double precision to a model that rounds by itself, as
        XGBoost does; ``"single"``.
    """

    layout: Layout
    precision: Precision


def ways(signature: Signature) -> list[Way]:
    """Return the ways to try, the most exact and then the fastest first."""
    texts = any(field.dtype == "string" for field in signature.fields)
    if signature.container == "text":
        layouts: list[Layout] = ["matrix"]
    elif texts:
        layouts = ["columns"]
    else:
        layouts = ["matrix"] if signature.container == "array" else ["matrix", "columns"]
    precisions: tuple[Precision, ...] = ("double", "mixed", "single")
    return [Way(layout, precision) for precision in precisions for layout in layouts]


def converted(estimator: Any, signature: Signature, way: Way) -> bytes:
    """Convert a fitted model; the same model gives the same bytes.

    Parameters
    ----------
    estimator : estimator
        The fitted model.
    signature : Signature
        The rows it takes.
    way : Way
        How.

    Raises
    ------
    Exception
        Whatever the converters raise for a model that they do not know.
    """
    terms, inner = None, unwrapped(estimator)
    estimator = inner.estimator
    width = len(signature.fields)
    if signature.container == "text":
        terms, estimator = vectorizers.split(estimator)
        width = len(terms.vocabulary)
    inputs = _inputs(signature, way, width)
    with _quiet():
        converters.register()
        boosters.register(estimator)
        graph = _converted(estimator, inputs)
    if way.precision == "double":
        _declare_double(graph.graph)
    _extend(graph.graph, inner.after)
    graph.metadata_props.add(key=MARKED, value="by kind")
    _rename(graph.graph, [name for name, _ in inputs])
    if terms:
        graph.metadata_props.add(key=TERMS, value=terms.to_json())
    if names := codes.expose(graph.graph):
        graph.metadata_props.add(key=CLASSES, value=json.dumps(names))
    return _cleaned(graph)


def _inputs(signature: Signature, way: Way, width: int) -> list[tuple[str, Any]]:
    from skl2onnx.common import data_types

    single = way.precision == "single"
    number = data_types.FloatTensorType if single else data_types.DoubleTensorType
    if way.layout == "matrix":
        return [(ROWS, number([None, width]))]
    text = data_types.StringTensorType

    def kind(field: Field) -> Any:
        return (text if field.dtype == "string" else number)([None, 1])

    return [(field.name, kind(field)) for field in signature.fields]


def _converted(estimator: Any, inputs: list[tuple[str, Any]]) -> Any:
    from skl2onnx import convert_sklearn

    final = final_step(estimator)
    # Without it, probabilities and decision values come as a dictionary for each row.
    options = {id(final): {"zipmap": False}} if hasattr(final, "classes_") else None
    try:
        return convert_sklearn(estimator, "model", inputs, options=options, target_opset=OPSETS)
    except NameError:  # This kind of model has no such option.
        return convert_sklearn(estimator, "model", inputs, target_opset=OPSETS)


def _declare_double(graph: Any) -> None:
    """Correct the outputs' types, which skl2onnx guesses before it knows what the steps give."""
    from onnx import TensorProto

    for output in graph.output:
        if output.type.tensor_type.elem_type == TensorProto.FLOAT:
            output.type.tensor_type.elem_type = TensorProto.DOUBLE


def _extend(graph: Any, steps: Steps) -> None:
    """Do to the answer of a regression what inverts the transformation of its target."""
    from onnx import helper, numpy_helper

    for number, (kind, operand) in enumerate(steps):
        out, before = graph.output[0].name, f"before_{number}"
        for node in graph.node:
            node.output[:] = [before if name == out else name for name in node.output]
            node.input[:] = [before if name == out else name for name in node.input]
        inputs = [before]
        if operand is not None:
            single = graph.output[0].type.tensor_type.elem_type == 1
            value = np.array(operand, dtype=np.float32 if single else np.float64)
            graph.initializer.append(numpy_helper.from_array(value, f"operand_{number}"))
            inputs.append(f"operand_{number}")
        graph.node.append(helper.make_node(kind, inputs, [out]))


def _rename(graph: Any, names: list[str]) -> None:
    """Give inputs their columns' names, which skl2onnx changes where they are no identifiers."""
    found = [each.name for each in graph.input]
    if len(found) != len(names):
        if set(found) <= set(names):
            return
        raise NotImplementedError("a column that is not used beside one whose name has other signs")
    changed = dict(zip(found, names, strict=True))
    for each in graph.input:
        each.name = changed[each.name]
    for node in graph.node:
        node.input[:] = [changed.get(name, name) for name in node.input]


def final_step(estimator: Any) -> Any:
    """Return the step of a pipeline that predicts; a model that is no pipeline itself."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return estimator


def _cleaned(graph: Any) -> bytes:
    """Leave out what differs between machines, and name each domain once."""
    versions: dict[str, int] = {}
    for opset in graph.opset_import:
        versions[opset.domain] = max(opset.version, versions.get(opset.domain, 1))
    if any(node.op_type == "TreeEnsemble" for node in graph.graph.node):
        versions |= TREES
    del graph.opset_import[:]
    for domain, version in sorted(versions.items()):
        graph.opset_import.add(domain=domain, version=version)
    graph.producer_name, graph.producer_version, graph.doc_string = "tridock", "", ""
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converters' advice to their developers from our users."""
    logging.getLogger("skl2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
