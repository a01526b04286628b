"""Does a running server keep each cloud's container contract? Rules in, findings out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tridock.inference.check import aws, azure, gcp
from tridock.inference.check.finding import Finding, Rule, State
from tridock.inference.check.subject import Subject

RULES: dict[str, tuple[Rule[Subject], ...]] = {
    "aws": aws.RULES,
    "gcp": gcp.RULES,
    "azure": azure.RULES,
}
CLOUDS = tuple(RULES)

__all__ = ["CLOUDS", "RULES", "Finding", "Rule", "State", "Subject", "judge"]


def judge(url: str, clouds: Iterable[str] = CLOUDS, example: Path | None = None) -> list[Finding]:
    """Ask a server everything the clouds' contracts demand.

    Parameters
    ----------
    url : str
        Its address.
    clouds : iterable of str, optional
        Whose contracts; by default all.
    example : Path, optional
        A request body that works; by default the one that the server's own description shows.

    Returns
    -------
    list of Finding
        One for each rule, in order.

    Raises
    ------
    UnreachableError
        If no server answers at `url`.
    """
    subject = Subject.meet(url, example)
    return [rule.judge(subject) for cloud in clouds for rule in RULES[cloud]]
