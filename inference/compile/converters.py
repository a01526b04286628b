"""Our own converters for skl2onnx, where its own round to single precision or miss missing values.

Source: skl2onnx, «Custom converters».
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from inference.compile import trees
from inference.compile.draft import Draft
from inference.compile.ensembles import Ensemble, ensemble

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
    from skl2onnx.shape_calculators.imputer import calculate_sklearn_imputer_output_shapes
    from sklearn import ensemble as ensembles
    from sklearn import tree
    from sklearn.impute import SimpleImputer

    for name, kind in itertools.product(FORESTS, ("Classifier", "Regressor")):
        place = tree if name in ("DecisionTree", "ExtraTree") else ensembles
        shape, convert = of_trees(kind, ensemble)
        options = OPTIONS if kind == "Classifier" else None
        model, alias = getattr(place, name + kind), f"Tridock{name}{kind}"
        update_registered_converter(model, alias, shape, convert, options=options)
    shape = calculate_sklearn_imputer_output_shapes
    update_registered_converter(SimpleImputer, "TridockSimpleImputer", shape, _imputer)


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
        found = read(operator.raw_operator)
        if found.nodes > MAX_NODES:
            raise NotImplementedError(f"{found.nodes} nodes are too many to compile")
        add(Draft(scope, container), operator, found)

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
    found = trees.attributes(read.trees, len(read.base))
    sums = draft.add("TreeEnsemble", draft.cast(rows, "DOUBLE"), attributes=found)
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


def _imputer(scope: Any, operator: Any, container: Any) -> None:
    from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer

    model, kind = operator.raw_operator, type(operator.inputs[0].type).__name__
    if kind != "DoubleTensorType":
        convert_sklearn_imputer(scope, operator, container)
        return
    if not isinstance(model.missing_values, float) or model.indicator_ is not None:
        raise NotImplementedError("this SimpleImputer marks its missing values otherwise than NaN")
    draft = Draft(scope, container)
    names = [each.full_name for each in operator.inputs]
    joined = {"axis": 1}
    rows = names[0] if len(names) == 1 else draft.add("Concat", *names, attributes=joined)
    fill = draft.constant(np.asarray(model.statistics_, dtype=float).reshape(1, -1))
    draft.add("Where", draft.add("IsNaN", rows), fill, rows, out=operator.output_full_names[0])
