"""The fitted model: loaded once its digest and versions are known to fit, asked in rows."""

from __future__ import annotations

import json
import logging
import platform
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import BundleError, InvalidInputError, ScoringError, VersionError
from inference.signature import OutputSignature, Signature

if TYPE_CHECKING:
    from inference.rows import Table

#: So much of a library's own message is passed on.
MESSAGE_CHARACTERS = 300

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    """An estimator that answers in JSON-ready values.

    Attributes
    ----------
    estimator : object
        A fitted scikit-learn estimator or pipeline.
    signature : Signature
        The rows it takes.
    output : OutputSignature
        What it answers.
    """

    estimator: Any
    signature: Signature
    output: OutputSignature

    def predict(self, table: Table) -> list[Any]:
        """Return one prediction per row of a checked table, in order.

        Raises
        ------
        InvalidInputError
            If the model refuses these values.
        ScoringError
            If the model fails in any other way.
        """
        return jsonable(_asked(self.estimator.predict, table))

    def probabilities(self, table: Table) -> list[Any]:
        """Return one object of class to probability per row; a list of them for several outputs.

        Raises
        ------
        InvalidInputError
            If the model gives no probabilities, or refuses these values.
        """
        if not self.output.probabilities:
            raise InvalidInputError("this model gives no probabilities: ask without them")
        shares = _asked(self.estimator.predict_proba, table)
        several = bool(self.output.classes) and isinstance(self.output.classes[0], tuple)
        if several != isinstance(shares, list):
            raise InvalidInputError("this model's probabilities are not those of its classes")
        if several:
            named = zip(shares, self.output.classes, strict=True)
            return [list(row) for row in zip(*(_by_class(*each) for each in named), strict=True)]
        return _by_class(shares, self.output.classes)


def load(file: Path, signature: Signature, output: OutputSignature) -> Model:
    """Open a model file whose digest has been verified: unpickling executes what it holds.

    Raises
    ------
    BundleError
        If it does not load; the message names the module that is missing.
    """
    return Model(unpickled(file), signature, output)


def unpickled(file: Path) -> Any:
    """Load a fitted estimator from a joblib file that is trusted.

    Raises
    ------
    BundleError
        If it does not load, has no ``predict``, or was stored by another scikit-learn
        (`VersionError`).
    """
    import joblib
    from sklearn.exceptions import InconsistentVersionWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            estimator = joblib.load(file)
    except InconsistentVersionWarning as error:
        raise _other_version(
            error.original_sklearn_version, error.current_sklearn_version
        ) from error
    except ModuleNotFoundError as error:
        raise BundleError(
            f"{file.name} needs the module {error.name!r}, which cannot be imported here: "
            "install it in the image, or package the model without it"
        ) from error
    except Exception as error:
        raise BundleError(f"{file.name} does not load: {_brief(error)}") from error
    if not callable(getattr(estimator, "predict", None)):
        raise BundleError(f"{file.name} holds a {type(estimator).__name__}, which has no predict")
    return estimator


def check_versions(wanted: Mapping[str, str]) -> None:
    """Refuse another scikit-learn than the model was fitted with; warn of other differences.

    Pickles are not compatible between versions (scikit-learn, «Model persistence»).

    Raises
    ------
    VersionError
        If scikit-learn differs; the message has both versions and the fix.
    """
    found = versions(wanted)
    if found.get("scikit-learn") != wanted.get("scikit-learn"):
        raise _other_version(wanted["scikit-learn"], found.get("scikit-learn", "none"))
    for library in wanted:
        if found.get(library) != wanted[library]:
            log.warning(
                "the model was fitted with %s %s and here is %s",
                library,
                wanted[library],
                found.get(library, "none"),
            )


def versions(libraries: Mapping[str, str] | tuple[str, ...]) -> dict[str, str]:
    """Return the installed version of each library, leaving out those that are absent."""
    found = {}
    for library in libraries:
        try:
            found[library] = _version(library)
        except metadata.PackageNotFoundError:
            continue
    return found


def jsonable(values: Any) -> list[Any]:
    """Convert predictions to a list of Python values that JSON can hold; NaN becomes None."""
    if hasattr(values, "toarray"):
        values = values.toarray()
    array = np.asarray(values)
    if array.dtype.kind in "biuU" or (array.dtype.kind == "f" and np.isfinite(array).all()):
        return list(array.tolist())
    return [_plain(value) for value in array.tolist()]


def _other_version(fitted: str, here: str) -> VersionError:
    return VersionError(
        f"the model was fitted with scikit-learn {fitted} and here is {here}: install "
        f"scikit-learn=={fitted}, or train and package the model again with {here}"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _by_class(shares: Any, classes: tuple[Any, ...]) -> list[Any]:
    names = [label if isinstance(label, str) else json.dumps(label) for label in classes]
    return [dict(zip(names, row, strict=True)) for row in jsonable(shares)]


def _asked(method: Any, table: Table) -> Any:
    """Call the model; what it says of the values is the caller's to know, the rest is our fault."""
    try:
        return method(table)
    except ValueError as error:
        raise InvalidInputError(f"the model refused these values: {_brief(error)}") from error
    except Exception as error:
        log.exception("the model failed")
        raise ScoringError(f"the model failed: {type(error).__name__}") from error


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split())
    short = text if len(text) <= MESSAGE_CHARACTERS else text[:MESSAGE_CHARACTERS] + "..."
    return f"{type(error).__name__}: {short}"


def _version(library: str) -> str:
    return platform.python_version() if library == "python" else metadata.version(library)
