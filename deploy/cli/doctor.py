"""Checks of everything that a release needs; nothing is changed."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from tridock.deploy.cli.session import Session
from tridock.deploy.target.errors import DeployError, NotFoundError
from tridock.inference.errors import InferenceError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, and what was seen."""

    what: str
    well: bool
    seen: str

    def __str__(self) -> str:
        return f"{'ok' if self.well else 'FAIL':<5} {self.what}: {self.seen}"

    def text(self, width: int) -> str:
        """Return it in lines of at most `width` characters; no word is broken."""
        return textwrap.fill(
            str(self),
            width,
            subsequent_indent=" " * 6,
            break_long_words=False,
            break_on_hyphens=False,
        )


def examine(session: Session) -> tuple[Finding, ...]:
    """Examine everything, after a failure too."""
    return tuple(_look(what, see) for what, see in _questions(session).items())


def refuse_ill(findings: tuple[Finding, ...]) -> None:
    """Raise if anything is not well.

    Raises
    ------
    DeployError
        Naming what is not.
    """
    ill = [finding.what for finding in findings if not finding.well]
    if ill:
        raise DeployError(f"not well: {', '.join(ill)}")


def _questions(session: Session) -> dict[str, Callable[[], str]]:
    def bundle() -> str:
        found = session.fetched().bundle()
        return f"{found.name} {found.version}, {len(found.manifest.examples)} examples"

    def endpoint() -> str:
        try:
            found = session.target.describe(session.endpoint)
        except NotFoundError:
            return f"{session.endpoint} is not there yet"
        return f"{session.endpoint} is {found.state.value}"

    return {
        "python": lambda: ".".join(map(str, sys.version_info[:3])),
        "account": session.target.identity,
        "bundle": bundle,
        "endpoint": endpoint,
        "limits": lambda: "; ".join(session.target.limits.values()) or "none",
    }


def _look(what: str, see: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, see())
    except (DeployError, InferenceError) as error:
        return Finding(what, False, str(error))
