"""Models stored by joblib: loading one unpickles it, so the file must be trusted.

Source: joblib, «Persistence»; Python, «pickle», its warning.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tridock.inference.errors import PackagingError
from tridock.inference.model.sklearn_engine import checked, raised


def store(estimator: Any, file: Path) -> tuple[str, ...]:
    """Store a fitted estimator; nothing must be trusted by name.

    Raises
    ------
    PackagingError
        If it cannot be stored.
    OSError
        If the disk is full.
    """
    import joblib

    try:
        joblib.dump(estimator, file)
    except OSError:  # A full disk is no fault of the model.
        raise
    except Exception as error:  # pickling runs the objects' own code
        raise PackagingError(
            f"the model cannot be stored: {error}. Functions in it must be defined by name in a "
            "module; lambdas, open files and locks cannot be stored"
        ) from error
    return ()


def load(file: Path, trusted: tuple[str, ...] = ()) -> Any:
    """Load a fitted estimator from a trusted file.

    Parameters
    ----------
    file : Path
        The file.
    trusted : tuple of str
        Not used: unpickling trusts all that the file holds.

    Raises
    ------
    BundleError
        If it does not load, has no ``predict``, or was stored by another scikit-learn
        (`VersionError`).
    """
    with raised(file):
        import joblib

        return checked(file, joblib.load(file))
