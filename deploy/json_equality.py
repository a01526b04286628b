"""Equality of predictions as JSON values."""

from __future__ import annotations

import math


def same(one: object, other: object, tolerance: float) -> bool:
    """Tell whether two JSON values are equal, numbers within `tolerance`.

    An integer equals the float of its value: Vertex AI answers every number as a float.
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            same(left, right, tolerance) for left, right in zip(one, other, strict=True)
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            same(value, other[key], tolerance) for key, value in one.items()
        )
    return one == other
