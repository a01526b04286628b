"""A fitted model as an ONNX graph: skl2onnx's conversion, in each way the model may allow."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from tridock.inference.data.field import Field
from tridock.inference.data.signature import Signature
from tridock.inference.model.onnx_engine import CLASSES, CODES, MARKED, ROWS, TERMS
from tridock.inference.model.tfidf import Terms
from tridock.inference.packaging.compile import boosters, converters
from tridock.inference.packaging.compile.unwrapping import Steps, unwrapped

Precision: TypeAlias = Literal["double", "mixed", "single"]
Layout: TypeAlias = Literal["matrix", "columns"]

#: Operator sets of the graph: skl2onnx's newest, and the one of trees it knows.
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
        Any error of the converters for a model that they do not know.
    """
    terms, inner = None, unwrapped(estimator)
    estimator = inner.estimator
    width = len(signature.fields)
    if signature.container == "text":
        terms, estimator = split(estimator)
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
    if names := expose(graph.graph):
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
    inputs = [each.name for each in graph.input]
    if len(inputs) != len(names):
        if set(inputs) <= set(names):
            return
        raise NotImplementedError("a column that is not used beside one whose name has other signs")
    changed = dict(zip(inputs, names, strict=True))
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


# Classes by number: what a graph chooses its labels by, as an output of its own.

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
    _rename_index(graph, index)
    graph.output.append(helper.make_tensor_value_info(CODES, TensorProto.INT64, None))
    return [each.decode() for each in names.string_data]


def _through_shapes(made: Mapping[str, Any], name: str) -> Any:
    """Return the node that made a value, through changes of its shape; None for an input."""
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


def _rename_index(graph: Any, name: str) -> None:
    for node in graph.node:
        node.input[:] = [CODES if each == name else each for each in node.input]
        node.output[:] = [CODES if each == name else each for each in node.output]


# A pipeline of texts in two: the terms that are weighed, and the model of the weights.

#: More columns would make each row slow.
MAX_TERMS = 50_000


def split(estimator: Any) -> tuple[Terms, Any]:
    """Return what the first steps count and weigh, and the rest of the pipeline.

    Raises
    ------
    NotImplementedError
        If the first step is no vectorizer of words, or has functions of its user's.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
    from sklearn.pipeline import Pipeline

    steps = getattr(estimator, "steps", [])
    vectorizer = steps[0][1] if len(steps) > 1 else estimator
    if type(vectorizer) not in (CountVectorizer, TfidfVectorizer):
        kind = type(vectorizer).__name__
        raise NotImplementedError(f"texts are compiled after a CountVectorizer, not a {kind}")
    if isinstance(vectorizer, TfidfVectorizer):
        return _terms(vectorizer, vectorizer._tfidf), Pipeline(steps[1:])
    if isinstance(steps[1][1], TfidfTransformer) and len(steps) > 2:
        return _terms(vectorizer, steps[1][1]), Pipeline(steps[2:])
    return _terms(vectorizer, None), Pipeline(steps[1:])


def _terms(vectorizer: Any, tfidf: Any) -> Terms:
    own = ("tokenizer", "preprocessor", "strip_accents")
    if vectorizer.analyzer != "word" or any(getattr(vectorizer, name) for name in own):
        raise NotImplementedError("a vectorizer with an analyzer of its own is not compiled")
    if len(vectorizer.vocabulary_) > MAX_TERMS:
        raise NotImplementedError(f"{len(vectorizer.vocabulary_)} terms are too many to compile")
    if getattr(tfidf, "norm", None) not in (None, "l1", "l2"):
        raise NotImplementedError(f"weights of length 1 in the norm {tfidf.norm} are not compiled")
    return Terms(
        vocabulary=tuple(sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)),
        pattern=vectorizer.token_pattern,
        lengths=tuple(vectorizer.ngram_range),
        lowercase=vectorizer.lowercase,
        binary=vectorizer.binary,
        stop=tuple(sorted(vectorizer.get_stop_words() or ())),
        sublinear=bool(tfidf and tfidf.sublinear_tf),
        rarity=tuple(np.asarray(tfidf.idf_).tolist()) if tfidf and tfidf.use_idf else (),
        norm=(tfidf and tfidf.norm) or "",
    )
