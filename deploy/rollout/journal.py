"""The history of an endpoint's traffic: who moved it, when, from what, to what, and why.

It is a note in the target's own storage. An entry is written before traffic moves and settled
afterwards: the next command knows what served before, also where the last one was killed.
"""

from __future__ import annotations

import enum
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tridock.deploy.rollout import history
from tridock.deploy.target.errors import ConflictError, DeployError
from tridock.deploy.target.notes import Note, Notes
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Endpoint
from tridock.deploy.waiting.owner import Owner

log = logging.getLogger(__name__)

#: Where histories stand among the notes.
FOLDER = "history"
#: Entries that are kept of an endpoint: a note has a few kilobytes.
MOST = 50


class Outcome(enum.Enum):
    """Outcome of a change of traffic."""

    BEGUN = "begun"
    """It is under way, or the command was killed."""
    DONE = "done"
    PUT_BACK = "put back"
    """It failed, and traffic is as it was before."""
    FAILED = "failed"
    """It failed, and traffic may be anything between."""


@dataclass(frozen=True)
class Entry:
    """One change of traffic.

    Attributes
    ----------
    verb : str
        The command: ``"release"``, ``"rollback"``, ``"promote"``, ``"stop"`` or ``"traffic"``.
    deployment : str
        The deployment that the command was about; empty for a split by hand.
    before, after : Mapping of str to int
        The split in whole percent, as it was and as the command wanted it.
    why : str
        The reason that was given; empty for none.
    who : str
        The caller as the target says; see `by`.
    began, ended : str
        UTC times, ISO 8601; `ended` is empty until it is settled.
    failure : str
        The first line of the error that ended it.
    """

    verb: str
    deployment: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    why: str = ""
    who: str = ""
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    ended: str = ""
    outcome: Outcome = Outcome.BEGUN
    failure: str = ""

    @property
    def is_open(self) -> bool:
        """True if the same command again has something to finish."""
        return self.outcome in (Outcome.BEGUN, Outcome.FAILED)

    @property
    def origin(self) -> str:
        """The deployment that served most before, among those that gave traffic up."""
        gave = {one: has for one, has in self.before.items() if self.after.get(one, 0) < has}
        return history.leading(gave)

    def record(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        moved = {"from": dict(self.before), "to": dict(self.after)}
        rest = {name: getattr(self, name) for name in ("why", "who", "began", "ended", "failure")}
        about = {"verb": self.verb, "deployment": self.deployment}
        return {**about, **moved, "outcome": self.outcome.value, **rest}


def read(notes: Notes, endpoint: str) -> tuple[Entry, ...]:
    """Return an endpoint's history, oldest first; of a note that is not ours, nothing."""
    return _entries(notes.read(_key(endpoint)))


@contextmanager
def recorded(notes: Notes, endpoint: str, entry: Entry) -> Iterator[None]:
    """Record a change of traffic that the block makes."""
    begin(notes, endpoint, entry)
    try:
        yield
    except BaseException as failure:
        settle(notes, endpoint, Outcome.FAILED, failure)
        raise
    settle(notes, endpoint, Outcome.DONE)


def by(target: Target) -> str:
    """Return who changes something, as the target says, with what is claimed beside."""
    return Owner.here(target.caller()).who()


def begin(notes: Notes, endpoint: str, entry: Entry) -> None:
    """Write that a change of traffic begins; one that was cut short goes on as it began."""
    note = notes.read(_key(endpoint))
    entries = _entries(note)
    if entries and entries[-1].is_open and _is_same(entries[-1], entry):
        entry = replace(entry, before=entries[-1].before, began=entries[-1].began)
        entries = entries[:-1]
    _write(notes, endpoint, [*entries, entry], over=note)


def settle(
    notes: Notes, endpoint: str, outcome: Outcome, failure: BaseException | None = None
) -> None:
    """Write how the change that began last ended. No error of it hides that of the change."""
    try:
        note = notes.read(_key(endpoint))
        entries = _entries(note)
        if entries and entries[-1].is_open:
            said = (str(failure) or type(failure).__name__) if failure else ""
            ended = datetime.now(UTC).isoformat()
            last = replace(
                entries[-1], outcome=outcome, ended=ended, failure=said.partition("\n")[0]
            )
            _write(notes, endpoint, [*entries[:-1], last], over=note)
    except DeployError as error:
        log.warning("the history of %s does not say how this ended: %s", endpoint, error)


def finish(notes: Notes, current: Endpoint, *verbs: str) -> None:
    """Settle what a command began, one of `verbs`, that was killed after its last move."""
    for entry in read(notes, current.name)[-1:]:
        is_open = entry.is_open and entry.verb in verbs
        if is_open and dict(entry.after) == dict(current.traffic):
            settle(notes, current.name, Outcome.DONE)


def last_move(entries: Sequence[Entry], traffic: Mapping[str, int]) -> Entry | None:
    """Return the change that made the traffic what it is, or was to; None if it is not known.

    What was put back changed nothing, and `stop` ends an experiment that another one began.
    """
    for number, entry in enumerate(reversed(entries)):
        if dict(entry.after) == dict(traffic) and _counts(entry):
            return entry
        if number == 0 and _is_midway(entry, traffic):
            return entry
    return None


def previous(notes: Notes, current: Endpoint, name: str) -> str | None:
    """Return which deployment to keep as the way back from `name`, where the history knows it."""
    if set(current.traffic) != {name}:
        return None
    entry = last_move(read(notes, current.name), current.traffic)
    return entry.origin or None if entry else None


def last(notes: Notes, endpoint: str, verb: str) -> Entry | None:
    """Return the newest entry, if it is of that command."""
    entries = read(notes, endpoint)
    return entries[-1] if entries and entries[-1].verb == verb else None


def end(notes: Notes, endpoint: str) -> None:
    """Remove the history of an endpoint that is gone. None is success."""
    note = notes.read(_key(endpoint))
    if note:
        with suppress(ConflictError):  # the endpoint is made again: it is not ours to remove
            notes.remove(_key(endpoint), over=note)


def _counts(entry: Entry) -> bool:
    moves = entry.verb == "rollback" or entry.before != entry.after
    return moves and entry.verb != "stop" and entry.outcome is not Outcome.PUT_BACK


def _is_midway(entry: Entry, traffic: Mapping[str, int]) -> bool:
    """Tell whether a change was cut short, perhaps before it moved anything."""
    failed_at_once = entry.outcome is Outcome.FAILED and dict(entry.before) == dict(traffic)
    return entry.is_open and _counts(entry) and not failed_at_once


def _is_same(entry: Entry, other: Entry) -> bool:
    return (entry.verb, entry.deployment) == (other.verb, other.deployment)


def _write(notes: Notes, endpoint: str, entries: Sequence[Entry], *, over: Note | None) -> None:
    records = [entry.record() for entry in entries[-MOST:]]
    notes.write(_key(endpoint), json.dumps(records, indent=1).encode(), over=over)


def _entries(note: Note | None) -> tuple[Entry, ...]:
    if note is None:
        return ()
    try:
        return tuple(_entry(values) for values in json.loads(note.body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is no history of this version, and is begun anew: %r", note.key, error)
        return ()


def _entry(values: Mapping[str, Any]) -> Entry:
    rest = {name: value for name, value in values.items() if name not in ("from", "to", "outcome")}
    return Entry(
        before=values["from"], after=values["to"], outcome=Outcome(values["outcome"]), **rest
    )


def _key(endpoint: str) -> str:
    return f"{FOLDER}/{endpoint}.json"
