"""Wrappers taken off a fitted model before it is converted: searches, samplers, the target's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

#: ONNX operators of NumPy's functions, in their order; ``("Add", 1.0)`` adds 1.
FUNCTIONS: dict[str, tuple[tuple[str, float | None], ...]] = {
    "log1p": (("Add", 1.0), ("Log", None)),
    "expm1": (("Exp", None), ("Sub", 1.0)),
    "log": (("Log", None),),
    "exp": (("Exp", None),),
    "sqrt": (("Sqrt", None),),
    "square": (("Pow", 2.0),),
    "absolute": (("Abs", None),),
    "negative": (("Neg", None),),
}
Steps = tuple[tuple[str, float | None], ...]


@dataclass(frozen=True)
class Unwrapped:
    """A model that the converters know, and what is done to its answer afterwards.

    Attributes
    ----------
    estimator : estimator
        The fitted model.
    after : tuple
        Operators, each with the number that is its second input, if it has one.
    """

    estimator: Any
    after: Steps = ()


def unwrapped(model: Any) -> Unwrapped:
    """Take the wrappers off a fitted model; the model itself stays as it is.

    Raises
    ------
    NotImplementedError
        If it transforms its target in a way that has no form in ONNX.
    """
    if hasattr(model, "best_estimator_"):
        return unwrapped(model.best_estimator_)
    if type(model).__name__ == "TransformedTargetRegressor":
        inner = unwrapped(model.regressor_)
        return Unwrapped(inner.estimator, (*inner.after, *_inverse(model.transformer_)))
    if hasattr(model, "steps"):
        return _pipeline(model)
    return Unwrapped(_plain(model))


def steps_of(function: Any) -> Steps:
    """Return the operators of a NumPy function; none for None.

    Raises
    ------
    NotImplementedError
        If it is another function.
    """
    if function is None:
        return ()
    name = getattr(function, "__name__", type(function).__name__)
    if not isinstance(function, np.ufunc) or not FUNCTIONS.get(name):
        raise NotImplementedError(f"it calls the function {name}, which has no form in ONNX")
    return FUNCTIONS[name]


def _pipeline(model: Any) -> Unwrapped:
    from sklearn.pipeline import Pipeline

    # Samplers of imbalanced-learn work while fitting alone.
    steps = [(name, step) for name, step in model.steps if not hasattr(step, "fit_resample")]
    last = unwrapped(steps[-1][1])
    inner = [(name, _inside(step)) for name, step in steps[:-1]]
    if type(model) is Pipeline and last.estimator is steps[-1][1] and inner == steps[:-1]:
        return Unwrapped(model)
    return Unwrapped(Pipeline([*inner, (steps[-1][0], last.estimator)]), last.after)


def _inside(step: Any) -> Any:
    return _pipeline(step).estimator if hasattr(step, "steps") else step


def _plain(model: Any) -> Any:
    """Return a model without what the converters stumble over and predictions do not use."""
    kind, module = type(model).__name__, type(model).__module__
    if kind == "VotingClassifier":
        model = copy.copy(model)
        model.flatten_transform = False
    if module.startswith("xgboost") and model.get_booster().feature_names is not None:
        model = copy.deepcopy(model)
        if "c" in (model.get_booster().feature_types or ()):
            raise NotImplementedError("XGBoost's splits by categories are not compiled")
        model.get_booster().feature_names = None
        model.get_booster().feature_types = None
    return model


def _inverse(transformer: Any) -> Steps:
    kind = type(transformer).__name__
    if kind == "FunctionTransformer":
        return steps_of(transformer.inverse_func)
    if kind not in _SCALERS:
        raise NotImplementedError(f"the target's {kind} is not compiled")
    return _SCALERS[kind](transformer)


def _one(values: Any, default: float) -> float:
    return default if values is None else float(np.ravel(values)[0])


_SCALERS: dict[str, Callable[[Any], Steps]] = {
    "StandardScaler": lambda t: (("Mul", _one(t.scale_, 1.0)), ("Add", _one(t.mean_, 0.0))),
    "RobustScaler": lambda t: (("Mul", _one(t.scale_, 1.0)), ("Add", _one(t.center_, 0.0))),
    "MaxAbsScaler": lambda t: (("Mul", _one(t.scale_, 1.0)),),
    "MinMaxScaler": lambda t: (("Sub", _one(t.min_, 0.0)), ("Div", _one(t.scale_, 1.0))),
}
