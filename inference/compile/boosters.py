"""XGBoost's and LightGBM's models, where they are installed: onnxmltools' converters for them."""

from __future__ import annotations

import importlib
from typing import Any

#: Package, class, its converter in onnxmltools, and the shape of what it gives.
CLASSIFIERS = {
    "xgboost": ("XGBClassifier", "xgboost.operator_converters.XGBoost", "convert_xgboost"),
    "lightgbm": ("LGBMClassifier", "lightgbm.operator_converters.LightGbm", "convert_lightgbm"),
}
REGRESSORS = {
    "xgboost": ("XGBRegressor", *CLASSIFIERS["xgboost"][1:]),
    "lightgbm": ("LGBMRegressor", *CLASSIFIERS["lightgbm"][1:]),
}


def register(estimator: Any) -> None:
    """Tell skl2onnx how to convert the boosters that a model is made of, if there are some."""
    for package in _packages(estimator) & set(CLASSIFIERS):
        _register(package)


def _packages(estimator: Any) -> set[str]:
    parts = [estimator]
    if hasattr(estimator, "get_params"):
        parts += estimator.get_params().values()
    return {type(part).__module__.partition(".")[0] for part in parts}


def _register(package: str) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    library = importlib.import_module(package)
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    for table, shape, known in (
        (CLASSIFIERS, calculate_linear_classifier_output_shapes, options),
        (REGRESSORS, calculate_linear_regressor_output_shapes, None),
    ):
        name, place, function = table[package]
        convert = getattr(importlib.import_module(f"onnxmltools.convert.{place}"), function)
        update_registered_converter(
            getattr(library, name), f"Tridock{name}", shape, convert, options=known
        )
