"""Fitted ensembles of trees as sums: which trees, what is added, and what becomes of the sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from tridock.inference.packaging.compile.trees import Tree, of_histogram, of_scikit

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

Link: TypeAlias = Literal["none", "mean", "logistic", "softmax", "exp"]


@dataclass(frozen=True)
class Ensemble:
    """Trees, and how their sums become an answer.

    Attributes
    ----------
    trees : tuple of Tree
        Each adds to one target.
    base : ndarray of float
        What the sum of each target starts with.
    link : str
        ``"none"``; ``"mean"`` over `count` trees; ``"logistic"`` of one target, ``"softmax"`` of
        several; ``"exp"``.
    count : int
        How many trees a mean is over.
    positive_at_zero : bool
        Whether a logistic sum of exactly 0 is the second class, or the first.
    single : bool
        Whether the features are rounded to single precision before they are compared.
    """

    trees: tuple[Tree, ...]
    base: Array
    link: Link = "none"
    count: int = 1
    positive_at_zero: bool = False
    single: bool = True

    @property
    def nodes(self) -> int:
        """Number of nodes in all trees."""
        return sum(len(tree.leaf) for tree in self.trees)


def ensemble(model: Any) -> Ensemble:
    """Read a fitted ensemble, or a tree, of scikit-learn.

    Raises
    ------
    NotImplementedError
        If it is of a kind that is not known here.
    """
    if hasattr(model, "_predictors"):
        return _histogram(model)
    if hasattr(model, "train_score_"):
        return _boosted(model)
    return _averaged(model)


def _averaged(model: Any) -> Ensemble:
    """Read a tree, or a forest whose answer is the mean of its trees'."""
    if getattr(model, "n_outputs_", 1) > 1 and hasattr(model, "classes_"):
        raise NotImplementedError("a forest of several classifications is not compiled")
    members = [each.tree_ for each in getattr(model, "estimators_", [model])]
    averaged: list[Tree] = []
    for member in members:
        table = member.value.reshape(len(member.value), -1)
        averaged += of_scikit(member, list(table.T))
    targets = 1 + max(tree.target for tree in averaged)
    return Ensemble(tuple(averaged), np.zeros(targets), "mean", len(members))


def _boosted(model: Any) -> Ensemble:
    """Read gradient boosting: a constant, and stages of trees, one for each class."""
    targets, first = model.n_trees_per_iteration_, np.zeros((1, model.n_features_in_))
    if model.init_ != "zero" and type(model.init_).__name__ not in _CONSTANT:
        raise NotImplementedError("gradient boosting on another model is not compiled")
    boosted = [
        tree
        for stage in model.estimators_
        for target, member in enumerate(stage)
        for tree in of_scikit(
            member.tree_, [model.learning_rate * member.tree_.value.ravel()], target
        )
    ]
    base = model._raw_predict_init(first.astype(np.float32)).ravel()
    if not hasattr(model, "classes_"):
        return Ensemble(tuple(boosted), base)
    if type(model._loss).__name__ not in ("HalfBinomialLoss", "HalfMultinomialLoss"):
        raise NotImplementedError(f"the loss {type(model._loss).__name__} is not compiled")
    link: Link = "logistic" if targets == 1 else "softmax"
    return Ensemble(tuple(boosted), base, link, positive_at_zero=True)


def _histogram(model: Any) -> Ensemble:
    if getattr(model, "_preprocessor", None) is not None:
        raise NotImplementedError("histogram gradient boosting of categories is not compiled")
    read = tuple(
        of_histogram(predictor, target)
        for stage in model._predictors
        for target, predictor in enumerate(stage)
    )
    base = np.asarray(model._baseline_prediction, dtype=float).ravel()
    if hasattr(model, "classes_"):
        link: Link = "logistic" if len(base) == 1 else "softmax"
    else:
        link = _LINKS[type(model._loss.link).__name__]
    return Ensemble(read, base, link, single=False)


_CONSTANT = ("DummyClassifier", "DummyRegressor")
_LINKS: dict[str, Link] = {"IdentityLink": "none", "LogLink": "exp"}
