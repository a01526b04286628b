"""Where in a release something happens: calls named so that polls between them do not matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: How calls that change nothing begin, as the clouds and our verbs name them.
READS = (
    "Describe",
    "List",
    "Get",
    "Head",
    "GET ",
    "HEAD ",
    "POST datastores/listSecrets",
    "POST getAuthtoken",
    "POST onlineEndpoints/listKeys",
    "POST onlineEndpoints/deployments/getLogs",
    "Filter",
    "describe",
    "metrics",
    "answers",
    "logs",
    "notes.read",
    "notes.keys",
    "models.names",
    "models.versions",
    "leftovers",
    "endpoints",
)


@dataclass(frozen=True, order=True)
class Point:
    """The n-th call of an operation, counted from the start or from a change on.

    A release polls now more often and now less; its changes are always the same.

    Attributes
    ----------
    operation : str
        ``"*"`` for every call.
    nth : int
        From 1.
    since : str
        The change after which is counted; empty for the start.
    since_nth : int
        Which call of that name the change is, from 1.
    """

    operation: str
    nth: int = 1
    since: str = ""
    since_nth: int = 1

    def __str__(self) -> str:
        after = f" after {self.since} {self.since_nth}" if self.since else ""
        return f"{self.operation} {self.nth}{after}"


def of(calls: Sequence[str]) -> list[Point]:
    """Return the points of a release, its changes first.

    Between two changes, the first and the last call of each operation are taken; of a poll the
    last but one, since the next release may look once less.
    """
    changes = [Point(name, calls[: at + 1].count(name)) for at, name in _changes(calls)]
    return [*changes, *_reads(calls)]


def is_read(call: str) -> bool:
    """Tell a call that changes nothing."""
    return call.startswith(READS) or call.endswith((".get", ".list"))


def _changes(calls: Sequence[str]) -> Iterator[tuple[int, str]]:
    return ((at, name) for at, name in enumerate(calls) if not is_read(name))


def _reads(calls: Sequence[str]) -> Iterator[Point]:
    starts = [(-1, ""), *_changes(calls)]
    ends = [at for at, _ in starts[1:]] + [len(calls)]
    for (start, since), end in zip(starts, ends, strict=True):
        between = calls[start + 1 : end]
        nth = calls[: start + 1].count(since) if since else 1
        for operation in dict.fromkeys(between):
            count = between.count(operation)
            for which in sorted({1, count if count < 3 else count - 1}):
                yield Point(operation, which, since, nth)
