"""Fitted decision trees as the attributes of one ONNX operator, in double precision.

Source: ONNX, «ai.onnx.ml TreeEnsemble», version 5: sums of leaves are double if its tensors are.
The older operators sum in single precision, in which ties of a forest's votes fall differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

#: ``nodes_modes``: go to the true branch where the feature is at most the split.
AT_MOST = 0
#: ``aggregate_function``: add the leaves of a target.
SUM = 1


@dataclass(frozen=True)
class Tree:
    """One tree that adds one of its leaves to one target.

    Attributes
    ----------
    left, right : ndarray of int
        For each node, the one to go to where the feature is at most the threshold, and otherwise.
    feature : ndarray of int
        For each node, the column it looks at.
    threshold : ndarray of float
        For each node, what the column is compared with.
    missing_left : ndarray of bool
        For each node, whether NaN goes left.
    leaf : ndarray of bool
        Which nodes are leaves.
    value : ndarray of float
        What each leaf adds.
    target : int
        To which column of the result.
    """

    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing_left: Array
    leaf: Array
    value: Array
    target: int = 0


def of_scikit(tree: Any, values: Sequence[Array], first: int = 0) -> list[Tree]:
    """Return a scikit-learn tree once for each target.

    Parameters
    ----------
    tree : sklearn.tree._tree.Tree
        The fitted tree.
    values : sequence of ndarray
        For each target, a value per node.
    first : int
        The first of the targets.
    """
    leaf = tree.children_left < 0
    missing = getattr(tree, "missing_go_to_left", np.zeros(len(leaf)))
    shape = (tree.children_left, tree.children_right, tree.feature, tree.threshold)
    return [
        Tree(*shape, missing.astype(bool), leaf, value, target)
        for target, value in enumerate(values, first)
    ]


def of_histogram(predictor: Any, target: int) -> Tree:
    """Return a tree of scikit-learn's histogram gradient boosting.

    Raises
    ------
    NotImplementedError
        If it splits by categories.
    """
    nodes = predictor.nodes
    if nodes["is_categorical"].any():
        raise NotImplementedError("trees that split by categories are not compiled")
    return Tree(
        nodes["left"].astype(int),
        nodes["right"].astype(int),
        nodes["feature_idx"].astype(int),
        nodes["num_threshold"].astype(float),
        nodes["missing_go_to_left"].astype(bool),
        nodes["is_leaf"].astype(bool),
        nodes["value"].astype(float),
        target,
    )


def attributes(trees: Iterable[Tree], targets: int) -> dict[str, Any]:
    """Return the operator's attributes for the sum of `trees`, by target."""
    parts, roots, nodes, leaves = [], [], 0, 0
    for tree in trees:
        part = _branches(tree, nodes, leaves)
        roots.append(nodes)
        nodes, leaves = nodes + len(part["splits"]), leaves + len(part["weights"])
        parts.append(part)
    whole = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return {
        "aggregate_function": SUM,
        "n_targets": targets,
        "tree_roots": roots,
        "nodes_modes": _tensor("modes", np.full(nodes, AT_MOST, dtype=np.uint8)),
        "nodes_splits": _tensor("splits", whole["splits"].astype(np.float64)),
        "nodes_featureids": whole["features"].tolist(),
        "nodes_missing_value_tracks_true": whole["missing"].astype(int).tolist(),
        "nodes_truenodeids": whole["true"].tolist(),
        "nodes_trueleafs": whole["true_leaf"].astype(int).tolist(),
        "nodes_falsenodeids": whole["false"].tolist(),
        "nodes_falseleafs": whole["false_leaf"].astype(int).tolist(),
        "leaf_weights": _tensor("weights", whole["weights"].astype(np.float64)),
        "leaf_targetids": whole["targets"].tolist(),
    }


def _branches(tree: Tree, nodes: int, leaves: int) -> dict[str, Array]:
    """Count the inner nodes and the leaves of a tree apart, from `nodes` and `leaves` on."""
    inner = np.flatnonzero(~tree.leaf)
    if not len(inner):  # A root that is a leaf: both of its branches lead there.
        return _stump(tree, leaves)
    number = np.where(tree.leaf, np.cumsum(tree.leaf) - 1 + leaves, np.cumsum(~tree.leaf) - 1)
    number = np.where(tree.leaf, number, number + nodes)
    left, right = tree.left[inner], tree.right[inner]
    ends = np.flatnonzero(tree.leaf)
    return {
        "splits": tree.threshold[inner],
        "features": tree.feature[inner],
        "missing": tree.missing_left[inner],
        "true": number[left],
        "true_leaf": tree.leaf[left],
        "false": number[right],
        "false_leaf": tree.leaf[right],
        "weights": tree.value[ends],
        "targets": np.full(len(ends), tree.target),
    }


def _stump(tree: Tree, leaves: int) -> dict[str, Array]:
    one, here = np.zeros(1, dtype=int), np.array([leaves])
    lone = {"splits": np.zeros(1), "features": one, "missing": one, "true": here, "false": here}
    ends = {"true_leaf": one + 1, "false_leaf": one + 1}
    return {**lone, **ends, "weights": tree.value[:1], "targets": np.array([tree.target])}


def _tensor(name: str, values: Array) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(values, name)
