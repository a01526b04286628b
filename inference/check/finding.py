"""A rule of a contract, and what was found about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

#: What is judged: a server, a container, an image.
Judged = TypeVar("Judged")


class State(Enum):
    """Result of a rule."""

    KEPT = "kept"
    BROKEN = "broken"
    #: What cannot be judged is not kept: it counts as falling short.
    UNJUDGED = "not judged"
    #: The rule is about something optional that the server does not have.
    ABSENT = "absent"


@dataclass(frozen=True)
class Verdict:
    """The state of a rule, and what came that says so."""

    state: State
    came: str

    @classmethod
    def of(cls, kept: bool, came: str) -> Verdict:
        """Make one of a yes or no."""
        return cls(State.KEPT if kept else State.BROKEN, came)


@dataclass(frozen=True)
class Finding:
    """Finding about one rule.

    Attributes
    ----------
    rule : str
        Its id.
    what : str
        What it demands.
    source : str
        Title of the document that demands it.
    state : State
        Whether it is kept.
    came : str
        What the server did.
    """

    rule: str
    what: str
    source: str
    state: State
    came: str

    @property
    def falls_short(self) -> bool:
        """True if the server may not be deployed because of this."""
        return self.state in (State.BROKEN, State.UNJUDGED)

    def record(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {**asdict(self), "state": self.state.value}


@dataclass(frozen=True)
class Rule(Generic[Judged]):
    """One demand of a contract.

    Attributes
    ----------
    id : str
        ``<cloud>-<word>``.
    what : str
        The demand.
    source : str
        Title of the document.
    test : callable
        Looks at what is judged and gives the verdict.
    """

    id: str
    what: str
    source: str
    test: Callable[[Judged], Verdict]

    def judge(self, subject: Judged) -> Finding:
        """Look at `subject` and say what was found."""
        from tridock.inference.check.subject import MissingExampleError, SilenceError

        try:
            return self.found(self.test(subject))
        except MissingExampleError as error:
            return self.found(Verdict(State.UNJUDGED, str(error)))
        except SilenceError as error:
            return self.found(Verdict(State.BROKEN, str(error)))

    def found(self, verdict: Verdict) -> Finding:
        """Return `verdict` as what was found about this rule."""
        return Finding(self.id, self.what, self.source, verdict.state, verdict.came)
