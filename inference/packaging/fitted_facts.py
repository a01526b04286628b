"""Facts that the fitted steps of a model hold about the raw columns: categories, missing values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tridock.inference.data.field import Missing, Scalar
from tridock.inference.packaging.sample_column import missing_kind, native

#: Attributes in which wrappers keep the fitted model that gets the raw rows.
WRAPPED = ("best_estimator_", "regressor_")


def unwrapped(model: Any) -> Any:
    """Return the fitted model that gets the raw rows inside a search, target or voting wrapper."""
    for name in WRAPPED:
        if hasattr(model, name):
            return unwrapped(getattr(model, name))
    if calibrated := getattr(model, "calibrated_classifiers_", None):
        return unwrapped(calibrated[0].estimator)
    kind = type(model).__name__
    members = getattr(model, "estimators_", None)
    if kind.startswith(("Voting", "Stacking")) and members:
        return unwrapped(members[0])
    return model


def categories(model: Any, names: Sequence[str]) -> dict[str, tuple[Scalar, ...]]:
    """Return the categories that the encoders of the raw columns were fitted on."""
    return {
        name: tuple(value for level in levels if (value := native(level)) is not None)
        for name, levels in _encoded(model, names)
    }


def missing(model: Any, names: Sequence[str]) -> dict[str, Missing]:
    """Return the one kind of missing value that a raw column's encoder or imputer knows.

    A column is left out if its step learnt no missing value, or several kinds.
    """
    by_name: dict[str, set[Missing]] = {}
    for name, levels in _encoded(model, names):
        kinds = {kind for level in levels if (kind := missing_kind(level))}
        by_name.setdefault(name, set()).update(kinds)
    for name, value in _imputed(model, names):
        kind = missing_kind(value)
        if kind and kind != "nan" and not by_name.get(name):
            by_name[name] = {kind}
    return {name: min(kinds) for name, kinds in by_name.items() if len(kinds) == 1}


def _encoded(model: Any, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for step, columns in _first_steps(model, names):
        learnt = getattr(step, "categories_", None)
        if isinstance(learnt, list) and len(learnt) == len(columns):
            yield from zip(columns, learnt, strict=True)


def _imputed(model: Any, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for step, columns in _first_steps(model, names):
        if hasattr(step, "statistics_"):
            yield from ((name, step.missing_values) for name in columns)


def _first_steps(model: Any, names: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
    """Yield the fitted steps that see the raw columns, each with the columns it sees."""
    model = unwrapped(model)
    for step in [step for _, step in getattr(model, "steps", [("", model)])]:
        if hasattr(step, "transformers_"):
            for _, transformer, columns in step.transformers_:
                yield from _first_steps(transformer, _names(columns, names))
            return
        if getattr(step, "n_features_in_", len(names)) != len(names):
            return
        yield step, list(names)
        if hasattr(step, "categories_"):
            return


def _names(columns: Any, names: Sequence[str]) -> list[str]:
    """Translate a ColumnTransformer's columns (names, positions, a mask or a slice) to names."""
    if isinstance(columns, str):
        return [columns]
    if isinstance(columns, slice):
        return list(names[columns]) if not isinstance(columns.start, str) else []
    listed = list(np.atleast_1d(columns))
    if listed and isinstance(listed[0], bool | np.bool_):
        return [name for name, kept in zip(names, listed, strict=True) if kept]
    return [str(one) if isinstance(one, str) else names[int(one)] for one in listed]
