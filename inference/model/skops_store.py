"""Models stored by skops: loaded from a list of known types, without unpickling.

Source: skops, «Secure persistence with skops».
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tridock.inference.errors import BundleError, PackagingError
from tridock.inference.model.sklearn_engine import brief, checked, raised

#: Types of these packages may be trusted by a manifest; functions and other packages never.
PACKAGES = ("sklearn", "numpy", "scipy", "xgboost", "lightgbm")


def store(estimator: Any, file: Path) -> tuple[str, ...]:
    """Store a fitted estimator, and return the types its loading needs beyond skops' own list.

    Raises
    ------
    PackagingError
        If it cannot be stored, or holds what is not trusted.
    """
    from skops import io

    try:
        io.dump(estimator, file)
        untrusted = tuple(sorted(io.get_untrusted_types(file=file)))
    except Exception as error:
        raise PackagingError(
            f"skops cannot store the model: {brief(error)}. Store it with joblib"
        ) from error
    if strangers := [name for name in untrusted if not is_known(name)]:
        raise PackagingError(
            f"the model holds {strangers[0]}, which is not trusted: only types of "
            f"{', '.join(PACKAGES)} are. Package the model without it, or store it with joblib"
        )
    return untrusted


def load(file: Path, trusted: tuple[str, ...]) -> Any:
    """Load a fitted estimator from a file of skops.

    Parameters
    ----------
    file : Path
        The file.
    trusted : tuple of str
        Types that its manifest trusts, beyond those that skops knows.

    Raises
    ------
    BundleError
        If it does not load, holds another type, or the manifest trusts what may not be trusted.
    """
    if strangers := [name for name in trusted if not is_known(name)]:
        raise BundleError(
            f"the manifest trusts {strangers[0]}: only types of {', '.join(PACKAGES)} may be"
        )
    with raised(file):
        from skops import io

        untrusted = io.get_untrusted_types(file=file)
        if strangers := sorted(set(untrusted) - set(trusted)):
            raise BundleError(
                f"{file.name} holds {strangers[0]}, which its manifest does not trust: "
                "nothing was loaded. Package the model again"
            )
        return checked(file, io.load(file, trusted=list(trusted)))


def is_known(name: str) -> bool:
    """Tell whether a type's full name is a class of a package that models are made of."""
    package, _, rest = name.partition(".")
    return package in PACKAGES and rest.rpartition(".")[2].lstrip("_")[:1].isupper()
