"""Converters of linear classifiers and of bins: skl2onnx's own have no double precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from tridock.inference.packaging.compile.draft import Draft


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
