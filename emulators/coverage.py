"""The emulated operations of a cloud, as each cloud's folder counts them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tridock.emulators.errors import CoverageError


@dataclass(frozen=True)
class Coverage:
    """The operations of one service.

    Attributes
    ----------
    service : str
        As the vendor's clients call it, e.g. ``"sagemaker-runtime"``.
    real : tuple of str
        Do here what they do there.
    stored : tuple of str
        Keep what they are given and answer with it, and nothing happens behind them.
    missing : tuple of str
        Answered with the cloud's own error for what is not implemented.
    """

    service: str
    real: tuple[str, ...]
    stored: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of operations of the service."""
        return len(self.real) + len(self.stored) + len(self.missing)


def coverage(cloud: str) -> Sequence[Coverage]:
    """Count the operations of `cloud`: its `emulators.<cloud>.coverage` has ``count()``.

    Raises
    ------
    CoverageError
        If it does not count them.
    """
    name = f"tridock.emulators.{cloud}.coverage"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (name, f"tridock.emulators.{cloud}"):
            raise
        raise CoverageError(f"the {cloud} emulator does not list its operations yet") from error
    services: Sequence[Coverage] = module.count()
    return services


def plain(services: Sequence[Coverage]) -> str:
    """Format for a terminal: one operation per line, after its service and its kind."""
    lines = [
        f"{entry.service:<20} {kind:<9} {operation}"
        for entry in services
        for kind, operations in (
            ("emulated", entry.real),
            ("stored", entry.stored),
            ("missing", entry.missing),
        )
        for operation in operations
    ]
    return "\n".join(lines)


def markdown(services: Sequence[Coverage]) -> str:
    """Format for a Markdown document."""
    head = ["| service | operations | emulated | stored | not emulated |", "|---|---|---|---|---|"]
    head += [
        f"| `{entry.service}` | {entry.count} | {len(entry.real)} | {len(entry.stored)} "
        f"| {len(entry.missing)} |"
        for entry in services
    ]
    return "\n".join(head) + "\n\n" + "\n\n".join(map(_section, services))


def rewritten(document: str, cloud: str, text: str) -> str:
    """Put `text` between the two comments that mark `cloud`'s part of a document.

    Raises
    ------
    CoverageError
        If the document has no such part.
    """
    begin, end = f"<!-- operations: {cloud} -->", f"<!-- end: {cloud} -->"
    part = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not part.search(document):
        raise CoverageError(f"the document has no {begin} … {end}")
    return part.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", document)


def _section(entry: Coverage) -> str:
    lines = [f"### `{entry.service}`"]
    for what, operations in (
        ("Emulated", entry.real),
        ("Stored", entry.stored),
        ("Not emulated", entry.missing),
    ):
        if operations:
            lines += ["", f"**{what}:** " + " ".join(f"`{name}`" for name in operations)]
    return "\n".join(lines)
