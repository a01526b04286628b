"""Addresses that a cloud's answers name, before a credential is sent there."""

from __future__ import annotations

from collections.abc import Sequence

from tridock.deploy.target.errors import TargetError
from tridock.inference.cloud_hosts import is_of


def trusted(url: str, suffixes: Sequence[str], *, operation: str) -> str:
    """Return an address that a key or a token may be sent to.

    Parameters
    ----------
    suffixes : Sequence of str
        Of the cloud's own hosts: `tridock.inference.cloud_hosts` has them.

    Raises
    ------
    TargetError
        If it leads elsewhere, or not by HTTPS.
    """
    if is_of(url, suffixes):
        return url
    shown = url.partition("?")[0]  # what follows may be a signature
    raise TargetError(
        f"no credential is sent to {shown}: it is no HTTPS address of {', '.join(suffixes)}",
        operation=operation,
        code="ForeignHost",
    )
