"""Our own converters for skl2onnx, where its own round to single precision or miss missing values.

Source: skl2onnx, «Custom converters».
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tridock.inference.model.onnx_engine import MISSING_TEXTS
from tridock.inference.packaging.compile import encoders, trees
from tridock.inference.packaging.compile.draft import Draft
from tridock.inference.packaging.compile.ensembles import Ensemble, ensemble
from tridock.inference.packaging.compile.unwrapping import steps_of
from tridock.inference.packaging.sample_column import missing_kind

#: Larger ensembles would take more memory than they save time.
MAX_NODES = 3_000_000
#: What every classifier's converter has to declare.
OPTIONS = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
FORESTS = (
    "DecisionTree",
    "ExtraTree",
    "RandomForest",
    "ExtraTrees",
    "GradientBoosting",
    "HistGradientBoosting",
)


@functools.cache
def register() -> None:
    """Tell skl2onnx of them, once in a process."""
    from skl2onnx import update_registered_converter
    from sklearn import ensemble as ensembles
    from sklearn import tree
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import RidgeClassifier, SGDClassifier
    from sklearn.preprocessing import (
        FunctionTransformer,
        KBinsDiscretizer,
        OneHotEncoder,
        OrdinalEncoder,
        TargetEncoder,
    )

    for name, kind in itertools.product(FORESTS, ("Classifier", "Regressor")):
        place = tree if name in ("DecisionTree", "ExtraTree") else ensembles
        shape, convert = of_trees(kind, ensemble)
        options = OPTIONS if kind == "Classifier" else None
        model, alias = getattr(place, name + kind), f"Tridock{name}{kind}"
        update_registered_converter(model, alias, shape, convert, options=options)
    update_registered_converter(SimpleImputer, "TridockSimpleImputer", _imputer_shape, _imputer)
    for encoder in (OneHotEncoder, OrdinalEncoder, TargetEncoder):
        name = f"Tridock{encoder.__name__}"
        update_registered_converter(encoder, name, encoders.shape, encoders.convert)
    for model in (RidgeClassifier, SGDClassifier):
        name, shape = f"Tridock{model.__name__}", classifier_shape
        update_registered_converter(model, name, shape, classifier, options=OPTIONS)
    name = "TridockKBinsDiscretizer"
    update_registered_converter(KBinsDiscretizer, name, bins_shape, bins)
    name = "TridockFunctionTransformer"
    update_registered_converter(FunctionTransformer, name, _joined_shape, _function)


def of_trees(kind: str, read: Callable[[Any], Ensemble]) -> tuple[Any, Any]:
    """Return what skl2onnx wants for a model of trees: its shape and its converter.

    Parameters
    ----------
    kind : str
        ``"Classifier"`` or ``"Regressor"``.
    read : callable
        Reads the fitted model.
    """
    shape, add = _KINDS[kind]

    def convert(scope: Any, operator: Any, container: Any) -> None:
        converted = read(operator.raw_operator)
        if converted.nodes > MAX_NODES:
            raise NotImplementedError(f"{converted.nodes} nodes are too many to compile")
        add(Draft(scope, container), operator, converted)

    return shape, convert


def _classifier(draft: Draft, operator: Any, read: Ensemble) -> None:
    label, shares = operator.output_full_names[:2]
    sums = _sums(draft, operator, read)
    if read.link == "logistic":
        chance = draft.add("Sigmoid", sums)
        rest = draft.add("Sub", draft.constant(np.ones(1)), chance)
        draft.add("Concat", rest, chance, out=shares, attributes={"axis": 1})
        compare = "GreaterOrEqual" if read.positive_at_zero else "Greater"
        above = draft.add(compare, sums, draft.constant(np.zeros(1)))
        index = draft.add("Squeeze", draft.cast(above, "INT64"), draft.constant(np.array([1])))
    else:
        softmax = read.link == "softmax"
        named = draft.add("Softmax" if softmax else "Identity", sums, out=shares)
        highest = {"axis": 1, "keepdims": 0}
        index = draft.add("ArgMax", sums if softmax else named, attributes=highest)
    draft.add("Gather", _classes(draft, operator.raw_operator), index, out=label)


def _regressor(draft: Draft, operator: Any, read: Ensemble) -> None:
    sums = _sums(draft, operator, read)
    kind = "Exp" if read.link == "exp" else "Identity"
    draft.add(kind, sums, out=operator.output_full_names[0])


def _sums(draft: Draft, operator: Any, read: Ensemble) -> str:
    """Add up the leaves in double precision, from features as the model compares them."""
    rows = operator.inputs[0].full_name
    if read.single and type(operator.inputs[0].type).__name__ != "FloatTensorType":
        rows = draft.cast(rows, "FLOAT")
    attributes = trees.attributes(read.trees, len(read.base))
    sums = draft.add("TreeEnsemble", draft.cast(rows, "DOUBLE"), attributes=attributes)
    if read.link == "mean":
        return draft.add("Div", sums, draft.constant(np.array([float(read.count)])))
    return draft.add("Add", draft.constant(read.base), sums) if read.base.any() else sums


def _classes(draft: Draft, model: Any) -> str:
    classes = np.asarray(model.classes_)
    texts = classes.dtype.kind in "OU"
    return draft.constant(classes.astype(str) if texts else classes.astype(np.int64))


def _classifier_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    calculate_linear_classifier_output_shapes(operator)
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[1].type = DoubleTensorType([rows, len(operator.raw_operator.classes_)])


def _regressor_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import DoubleTensorType

    outputs = getattr(operator.raw_operator, "n_outputs_", 1)
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = DoubleTensorType([rows, outputs])


_KINDS: dict[str, tuple[Any, Any]] = {
    "Classifier": (_classifier_shape, _classifier),
    "Regressor": (_regressor_shape, _regressor),
}


def _function(scope: Any, operator: Any, container: Any) -> None:
    draft = Draft(scope, container)
    value = _joined(draft, operator)
    for kind, operand in steps_of(operator.raw_operator.func):
        more = [] if operand is None else [draft.constant(np.array(operand))]
        value = draft.add(kind, value, *more)
    draft.add("Identity", value, out=operator.output_full_names[0])


def _joined_shape(operator: Any) -> None:
    first = operator.inputs[0].type
    width = sum(each.type.shape[1] for each in operator.inputs)
    operator.outputs[0].type = type(first)([first.shape[0], width])


def _imputer(scope: Any, operator: Any, container: Any) -> None:
    """Fill missing values in, and mark them in more columns where the imputer does."""
    draft, model = Draft(scope, container), operator.raw_operator
    rows = _joined(draft, operator)
    kept = [index for index, value in enumerate(model.statistics_) if not _is_nan(value)]
    if len(kept) < len(model.statistics_) and not model.keep_empty_features:
        raise NotImplementedError("a SimpleImputer that leaves out empty columns is not compiled")
    is_text = type(operator.inputs[0].type).__name__ == "StringTensorType"
    missing = _missing(draft, rows, model.missing_values, is_text=is_text)
    values = model.statistics_.astype(str if is_text else float).reshape(1, -1)
    out = operator.output_full_names[0]
    marks = getattr(model.indicator_, "features_", ())
    filled = draft.add(
        "Where", missing, draft.constant(values), rows, out=None if len(marks) else out
    )
    if len(marks):
        chosen = draft.add(
            "Gather", missing, draft.constant(np.array(marks)), attributes={"axis": 1}
        )
        draft.add("Concat", filled, draft.cast(chosen, "DOUBLE"), out=out, attributes={"axis": 1})


def _imputer_shape(operator: Any) -> None:
    _joined_shape(operator)
    marks = getattr(operator.raw_operator.indicator_, "features_", ())
    shape = operator.outputs[0].type.shape
    operator.outputs[0].type.shape = [shape[0], shape[1] + len(marks)]


def _missing(draft: Draft, rows: str, value: Any, *, is_text: bool) -> str:
    kind = missing_kind(value)
    if is_text:
        known = draft.constant(np.array([MISSING_TEXTS[kind] if kind else str(value)]))
        return draft.add("Equal", rows, known)
    if kind:
        return draft.add("IsNaN", rows)
    return draft.add("Equal", rows, draft.constant(np.array([float(value)])))


def _joined(draft: Draft, operator: Any) -> str:
    names = [each.full_name for each in operator.inputs]
    return names[0] if len(names) == 1 else draft.add("Concat", *names, attributes={"axis": 1})


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


# Converters of linear classifiers and of bins: skl2onnx's own have no double precision.


def classifier_shape(operator: Any) -> None:
    """Declare a label and a row of doubles: probabilities, or decision values."""
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    calculate_linear_classifier_output_shapes(operator)
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[1].type = DoubleTensorType([rows, None])


def classifier(scope: Any, operator: Any, container: Any) -> None:
    """Add a fitted RidgeClassifier or SGDClassifier to a graph."""
    draft, model = Draft(scope, container), operator.raw_operator
    label, shares = operator.output_full_names[:2]
    rows = draft.cast(operator.inputs[0].full_name, "DOUBLE")
    product = draft.add("MatMul", rows, draft.constant(np.atleast_2d(model.coef_).T))
    sums = draft.add("Add", product, draft.constant(np.atleast_1d(model.intercept_)))
    if len(model.classes_) == 2:
        above = draft.add("Greater", sums, draft.constant(np.zeros(1)))
        index = draft.add("Squeeze", draft.cast(above, "INT64"), draft.constant(np.array([1])))
    else:
        index = draft.add("ArgMax", sums, attributes={"axis": 1, "keepdims": 0})
    _shares(draft, model, sums, shares)
    texts = model.classes_.dtype.kind in "OU"
    classes = draft.constant(model.classes_.astype(str if texts else np.int64))
    draft.add("Gather", classes, index, out=label)


def _shares(draft: Draft, model: Any, sums: str, out: str) -> None:
    """Make probabilities of the sums, where the model does (SGDClassifier, ``predict_proba``)."""
    if not hasattr(model, "predict_proba"):
        draft.add("Identity", sums, out=out)
        return
    if model.loss != "log_loss":
        raise NotImplementedError(f"its probabilities come of the loss {model.loss}")
    # ONNX Runtime's Sigmoid loses the digits of small probabilities, which the sum magnifies.
    one = draft.constant(np.ones(1))
    chances = draft.add("Div", one, draft.add("Add", one, draft.add("Exp", draft.add("Neg", sums))))
    if len(model.classes_) == 2:
        rest = draft.add("Sub", one, chances)
        draft.add("Concat", rest, chances, out=out, attributes={"axis": 1})
        return
    total = draft.add("ReduceSum", chances, draft.constant(np.array([1])))
    draft.add("Div", chances, total, out=out)


def bins_shape(operator: Any) -> None:
    """Declare a column for each bin, or for each feature."""
    from skl2onnx.common.data_types import DoubleTensorType

    model = operator.raw_operator
    width = len(model.n_bins_) if model.encode == "ordinal" else int(sum(model.n_bins_))
    operator.outputs[0].type = DoubleTensorType([operator.inputs[0].get_first_dimension(), width])


def bins(scope: Any, operator: Any, container: Any) -> None:
    """Add a fitted KBinsDiscretizer to a graph: a value's bin is the count of edges up to it."""
    draft, model = Draft(scope, container), operator.raw_operator
    given = [draft.cast(each.full_name, "DOUBLE") for each in operator.inputs]
    rows = given[0] if len(given) == 1 else draft.add("Concat", *given, attributes={"axis": 1})
    parts = []
    for index, edges in enumerate(model.bin_edges_):
        column = draft.add(
            "Gather", rows, draft.constant(np.array([index])), attributes={"axis": 1}
        )
        inner = draft.constant(np.asarray(edges[1:-1], dtype=float).reshape(1, -1))
        reached = draft.cast(draft.add("GreaterOrEqual", column, inner), "DOUBLE")
        place = draft.add("ReduceSum", reached, draft.constant(np.array([1])))
        if model.encode != "ordinal":
            numbers = np.arange(model.n_bins_[index], dtype=float).reshape(1, -1)
            place = draft.cast(draft.add("Equal", place, draft.constant(numbers)), "DOUBLE")
        parts.append(place)
    draft.add("Concat", *parts, out=operator.output_full_names[0], attributes={"axis": 1})
