"""Formats in which a bundle holds its fitted model.

A new one is a module with `store` and `load`, like `joblib_store`, and its line in `FORMATS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast


class Storage(Protocol):
    """Module that writes and reads a format; it imports its library when it is called."""

    def store(self, estimator: Any, file: Path) -> tuple[str, ...]:
        """Store a fitted estimator, and return the types that its loading must trust.

        Raises
        ------
        PackagingError
            If it cannot be stored.
        """
        ...

    def load(self, file: Path, trusted: tuple[str, ...]) -> Any:
        """Load a fitted estimator, trusting these types beyond those that the format knows.

        Raises
        ------
        BundleError
            If it does not load, or cannot predict.
        """
        ...


@dataclass(frozen=True)
class Format:
    """Format of the file that holds a fitted model.

    Attributes
    ----------
    name : str
        For ``--store``, and for the model server's words on its engine.
    suffix : str
        The file's, with the dot.
    unpickles : bool
        Whether loading executes what the file holds.
    module : str
        A `Storage`, imported when it is needed.
    """

    name: str
    suffix: str
    unpickles: bool
    module: str

    @property
    def file(self) -> str:
        """Name of the model's file in a bundle."""
        return f"model{self.suffix}"

    @property
    def storage(self) -> Storage:
        """The module that writes and reads it."""
        return cast(Storage, import_module(self.module))


JOBLIB = Format("joblib", ".joblib", True, "tridock.inference.model.joblib_store")
SKOPS = Format("skops", ".skops", False, "tridock.inference.model.skops_store")
FORMATS: dict[str, Format] = {each.name: each for each in (JOBLIB, SKOPS)}


def of(file: str) -> Format:
    """Return the format of a bundle's model by the name of its file: joblib's for any other."""
    return next((each for each in FORMATS.values() if file.endswith(each.suffix)), JOBLIB)
