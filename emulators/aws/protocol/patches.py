"""Putting our functions in the place of moto's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def replace_methods(of: type, functions: Mapping[str, Callable[..., Any]]) -> None:
    """Replace or add methods of one of moto's classes.

    moto finds its operations by looking for plain functions on the class, so these must be plain
    functions whose first parameter is the object.
    """
    for name, function in functions.items():
        setattr(of, name, function)
