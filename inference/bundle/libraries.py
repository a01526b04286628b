"""Versions of the libraries a model was fitted with, and of those that stand here."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from importlib import metadata

from tridock.inference.errors import VersionError

log = logging.getLogger(__name__)


def check(wanted: Mapping[str, str]) -> None:
    """Refuse another scikit-learn than the model was fitted with; warn of other differences.

    Pickles are not compatible between versions (scikit-learn, «Model persistence»).

    Raises
    ------
    VersionError
        If scikit-learn differs; the message has both versions and the fix.
    """
    here = installed(wanted)
    if "scikit-learn" in wanted and "scikit-learn" not in here:
        raise VersionError(
            f"the model needs scikit-learn {wanted['scikit-learn']}, and none is installed here: "
            "install it, take the image that has it, or package the model so that it compiles "
            "(the manifest's not_compiled says why it did not)"
        )
    if here.get("scikit-learn") != wanted.get("scikit-learn"):
        raise other_version(wanted["scikit-learn"], here.get("scikit-learn", "none"))
    for library in wanted:
        if here.get(library) != wanted[library]:
            log.warning(
                "the model was fitted with %s %s and here is %s",
                library,
                wanted[library],
                here.get(library, "none"),
            )


def installed(libraries: Mapping[str, str] | tuple[str, ...]) -> dict[str, str]:
    """Return the installed version of each library, leaving out those that are absent."""
    versions = {}
    for library in libraries:
        try:
            versions[library] = _version(library)
        except metadata.PackageNotFoundError:
            continue
    return versions


def other_version(fitted: str, here: str) -> VersionError:
    """Word the error for a model of another scikit-learn."""
    return VersionError(
        f"the model was fitted with scikit-learn {fitted} and here is {here}: install "
        f"scikit-learn=={fitted}, or train and package the model again with {here}"
    )


def _version(library: str) -> str:
    return platform.python_version() if library == "python" else metadata.version(library)
