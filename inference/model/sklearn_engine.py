"""The fitted estimator as the engine: loaded from a trusted file, called as it was fitted."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tridock.inference.bundle.libraries import other_version
from tridock.inference.data import dataframe
from tridock.inference.data.field import Field
from tridock.inference.errors import BundleError, InvalidInputError, ScoringError
from tridock.inference.model import threads
from tridock.inference.model.model import dense

if TYPE_CHECKING:
    import numpy.typing as npt

    from tridock.inference.data.table import Table
    from tridock.inference.model.model import Shares

    Array: TypeAlias = npt.NDArray[Any]

#: Characters of a library's own message that are passed on.
MESSAGE_CHARACTERS = 300

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimator:
    """A fitted scikit-learn estimator or pipeline, called by its own methods.

    Attributes
    ----------
    fitted : object
        The estimator.
    fields : tuple of Field
        Of its signature: what a DataFrame of its columns is made with.
    name : str
        How it is stored.
    plain : bool
        Whether it takes columns as a matrix, without their names.
    """

    fitted: Any
    fields: tuple[Field, ...]
    name: str = "joblib"
    plain: bool = False

    @classmethod
    def of(cls, fitted: Any, fields: tuple[Field, ...], name: str = "joblib") -> Estimator:
        """Make a loaded estimator ready to serve: few threads, and no DataFrame without need."""
        threads.calm(fitted)
        threads.bound()
        plain = dataframe.is_needless(fitted, fields)
        if plain:
            dataframe.forget_names(fitted)
        return cls(fitted, fields, name, plain)

    def predict(self, table: Table, *, probabilities: bool) -> tuple[Array, Shares]:
        """Call ``predict``, and ``predict_proba`` if probabilities are requested."""
        rows = self._rows(table)
        labels = dense(_asked(self.fitted.predict, rows))
        if not probabilities:
            return labels, None
        shares = _asked(self.fitted.predict_proba, rows)
        return labels, tuple(map(dense, shares)) if isinstance(shares, list) else dense(shares)

    def decisions(self, table: Table) -> Array | None:
        """Call ``decision_function``; return None if the estimator has none."""
        if not hasattr(self.fitted, "decision_function"):
            return None
        return dense(_asked(self.fitted.decision_function, self._rows(table)))

    def _rows(self, table: Table) -> Any:
        return table.matrix() if self.plain else dataframe.rows(table, self.fields)


def checked(file: Path, estimator: Any) -> Any:
    """Return what a file held if it can predict, or raise `BundleError`."""
    if not callable(getattr(estimator, "predict", None)):
        raise BundleError(f"{file.name} holds a {type(estimator).__name__}, which has no predict")
    return estimator


@contextlib.contextmanager
def raised(file: Path) -> Iterator[None]:
    """Put what goes wrong while a file is loaded into words, as `BundleError`."""
    from sklearn.exceptions import InconsistentVersionWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            yield
    except InconsistentVersionWarning as error:
        there, here = error.original_sklearn_version, error.current_sklearn_version
        raise other_version(there, here) from error
    except ModuleNotFoundError as error:
        raise BundleError(
            f"{file.name} needs the module {error.name!r}, which cannot be imported here: "
            "install it in the image, or package the model without it"
        ) from error
    except BundleError:
        raise
    except Exception as error:
        raise BundleError(f"{file.name} does not load: {brief(error)}") from error


def brief(error: BaseException) -> str:
    """Return an error's type and the beginning of its words."""
    text = " ".join(str(error).split())
    short = text if len(text) <= MESSAGE_CHARACTERS else text[:MESSAGE_CHARACTERS] + "..."
    return f"{type(error).__name__}: {short}"


def _asked(method: Any, rows: Any) -> Any:
    """Call the model; what it says of the values is the caller's to know, the rest is our fault."""
    try:
        with np.errstate(all="ignore"):
            return method(rows)
    except ValueError as error:
        raise InvalidInputError(f"the model refused these values: {brief(error)}") from error
    except Exception as error:
        log.exception("the model failed")
        raise ScoringError(f"the model failed: {type(error).__name__}") from error
