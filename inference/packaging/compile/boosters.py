"""XGBoost's and LightGBM's models, where they are installed, for skl2onnx.

XGBoost's are converted by onnxmltools. It would round LightGBM's thresholds to single precision,
so those trees are read here.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from tridock.inference.packaging.compile import converters
from tridock.inference.packaging.compile.draft import Draft
from tridock.inference.packaging.compile.ensembles import Ensemble, Link
from tridock.inference.packaging.compile.trees import Tree

#: What becomes of LightGBM's sum, by its objective (LightGBM, «Parameters», objective).
LINKS: dict[str, Link] = {
    "binary": "logistic",
    "multiclass": "softmax",
    "regression": "none",
    "regression_l1": "none",
    "huber": "none",
    "fair": "none",
    "quantile": "none",
    "mape": "none",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
}


def register(estimator: Any) -> None:
    """Tell skl2onnx how to convert the boosters that a model is made of, if there are some."""
    packages = _packages(estimator)
    if "xgboost" in packages:
        _register_xgboost()
    if "lightgbm" in packages:
        _register_lightgbm()


def lightgbm(model: Any) -> Ensemble:
    """Read a fitted model of LightGBM.

    Raises
    ------
    NotImplementedError
        If it splits by categories, treats zeros as missing, or has another kind of leaf or sum.
    """
    dump = model.booster_.dump_model()
    objective, *options = dump.get("objective", "custom").split()
    if objective not in LINKS or dump.get("average_output") or "sqrt" in options:
        raise NotImplementedError(f"LightGBM's objective {objective} is not compiled")
    if any(option.startswith("sigmoid:") and option != "sigmoid:1" for option in options):
        raise NotImplementedError("LightGBM's sigmoid of another steepness is not compiled")
    targets = dump["num_tree_per_iteration"]
    trees = tuple(
        _tree(each["tree_structure"], index % targets)
        for index, each in enumerate(dump["tree_info"])
    )
    return Ensemble(trees, np.zeros(targets), LINKS[objective], single=False)


def _packages(estimator: Any) -> set[str]:
    parts = [estimator]
    if hasattr(estimator, "get_params"):
        parts += estimator.get_params().values()
    return {type(part).__module__.partition(".")[0] for part in parts}


def _tree(root: dict[str, Any], target: int) -> Tree:
    """Lay a tree's nodes out in a row, each before its children."""
    nodes = [root]
    left, right = [], []
    for node in nodes:  # grows as it goes
        inner = "split_feature" in node
        left.append(len(nodes) if inner else -1)
        right.append(len(nodes) + 1 if inner else -1)
        if inner:
            nodes += [node["left_child"], node["right_child"]]
    leaf = np.array(left) < 0
    splits = [
        (0, 0.0, False) if end else _split(node) for node, end in zip(nodes, leaf, strict=True)
    ]
    feature, threshold, missing = zip(*splits, strict=True)
    values = [_value(node) if end else 0.0 for node, end in zip(nodes, leaf, strict=True)]
    shape = np.array(left), np.array(right), np.array(feature), np.array(threshold)
    return Tree(*shape, np.array(missing), leaf, np.array(values), target)


def _split(node: dict[str, Any]) -> tuple[int, float, bool]:
    """Return feature, threshold, and whether NaN goes left (LightGBM, ``tree.h``, Decision)."""
    if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
        raise NotImplementedError("LightGBM's splits by categories or by zeros are not compiled")
    threshold = float(node["threshold"])
    # Where no value was missing in training, a missing one counts as 0.
    left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0
    return int(node["split_feature"]), threshold, bool(left)


def _value(node: dict[str, Any]) -> float:
    if "leaf_coeff" in node:
        raise NotImplementedError("LightGBM's linear leaves are not compiled")
    return float(node["leaf_value"])


def _register_lightgbm() -> None:
    from skl2onnx import update_registered_converter

    library = importlib.import_module("lightgbm")
    for kind in ("Classifier", "Regressor"):
        shape, convert = converters.of_trees(kind, lightgbm)
        options = converters.OPTIONS if kind == "Classifier" else None
        name = f"LGBM{kind}"
        model = getattr(library, name)
        update_registered_converter(model, f"Tridock{name}", shape, convert, options=options)


def _register_xgboost() -> None:
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    library = importlib.import_module("xgboost")
    shapes = {
        "Classifier": calculate_linear_classifier_output_shapes,
        "Regressor": calculate_linear_regressor_output_shapes,
    }
    for kind, calculate in shapes.items():
        options = converters.OPTIONS if kind == "Classifier" else None
        name = f"XGB{kind}"
        update_registered_converter(
            getattr(library, name),
            f"Tridock{name}",
            _single(calculate),
            _from_single(convert_xgboost),
            options=options,
        )


def _single(calculate: Any) -> Any:
    """Declare to skl2onnx that XGBoost always answers in single precision."""

    def shape(operator: Any) -> None:
        from skl2onnx.common.data_types import FloatTensorType

        calculate(operator)
        answer = operator.outputs[-1]
        answer.type = FloatTensorType(answer.type.shape)

    return shape


def _from_single(convert: Any) -> Any:
    """Round to single precision first, as XGBoost does."""

    def converter(scope: Any, operator: Any, container: Any) -> None:
        from skl2onnx.common.data_types import FloatTensorType

        given = operator.inputs[0]
        if isinstance(given.type, FloatTensorType):
            convert(scope, operator, container)
            return
        rounded = scope.declare_local_variable("rounded", FloatTensorType(given.type.shape))
        Draft(scope, container).cast(given.full_name, "FLOAT", out=rounded.full_name)
        convert(scope, _Fed(operator, [rounded]), container)

    return converter


class _Fed:
    """An operator as skl2onnx has it, with other inputs."""

    def __init__(self, operator: Any, inputs: list[Any]) -> None:
        self.inputs = inputs
        self.input_full_names = [each.full_name for each in inputs]
        self._operator = operator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operator, name)
