"""Deleting what is left over in an account, an endpoint at a time, and never beside a release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tridock.deploy.progress import Progress
from tridock.deploy.rollout import endpoint_changes, experiment, history, journal
from tridock.deploy.target.errors import ConflictError, LockedError, NotFoundError, TargetError
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Endpoint, Orphan
from tridock.deploy.waiting import lock
from tridock.deploy.waiting.lock import Claim, Terms
from tridock.deploy.waiting.retry import under
from tridock.deploy.waiting.wait import Deadline

#: What the core itself finds left over; all other kinds are the target's.
ENDPOINT, EXPERIMENT, HISTORY, LOCK = "endpoint", "experiment", "history", "lock"


@dataclass(frozen=True)
class Kept:
    """A leftover that stays, and why."""

    orphan: Orphan
    because: str


@dataclass(frozen=True)
class Found:
    """Orphans of an account, and what could not be read.

    Attributes
    ----------
    orphans : tuple of Orphan
        What can be deleted, in the order in which it can.
    kept : tuple of Kept
        What cannot: its endpoint is being changed.
    """

    orphans: tuple[Orphan, ...]
    kept: tuple[Kept, ...] = ()


@dataclass
class Swept:
    """Result of a sweep.

    Attributes
    ----------
    failures : list of TargetError
        What the target refused for other reasons than that a thing is used again.
    """

    deleted: list[Orphan] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    failures: list[TargetError] = field(default_factory=list)


@dataclass(frozen=True)
class Broom:
    """Target, progress and deadline of a sweep.

    Attributes
    ----------
    deadline : Deadline
        When it has to be done.
    terms : Terms
        Of the locks that it holds.
    """

    target: Target
    say: Progress
    deadline: Deadline
    terms: Terms = field(default_factory=Terms)


def look(target: Target, *, only: str = "", terms: Terms | None = None) -> Found:
    """Return what bears our marks and serves nothing; nothing is changed.

    What belongs to an endpoint whose lock is held is kept. So is, while any lock is held, what may
    become anybody's: a bundle that was just uploaded has no mark yet of who is going to use it.

    Parameters
    ----------
    only : str
        An endpoint's name, to look at nothing else; empty for the whole account.
    """
    busy = lock.busy(target.notes, terms)
    every = [*_endpoints(target), *target.orphans(), *_notes(target, busy)]
    wanted = [one for one in every if only in ("", one.endpoint)]
    reasons = [(one, _hindrance(one, busy)) for one in wanted]
    return Found(
        tuple(one for one, because in reasons if not because),
        tuple(Kept(one, because) for one, because in reasons if because),
    )


def sweep(broom: Broom, orphaned: Found) -> Swept:
    """Delete what was found, each endpoint's under its lock, and each after another look.

    It may be cut short anywhere: what is left is found by the next one.
    """
    swept = Swept(kept=list(orphaned.kept))
    owned = [orphan for orphan in orphaned.orphans if orphan.endpoint]
    for endpoint in dict.fromkeys(one.endpoint for one in owned):
        _sweep_endpoint(broom, endpoint, [one for one in owned if one.endpoint == endpoint], swept)
    for orphan in orphaned.orphans:
        if not orphan.endpoint:
            _sweep_unowned(broom, orphan, swept)
    return swept


def _sweep_endpoint(broom: Broom, endpoint: str, orphans: Sequence[Orphan], swept: Swept) -> None:
    notes = broom.target.notes
    terms = replace(broom.terms, caller=broom.target.caller())
    try:
        with lock.held(notes, endpoint, "sweep", terms=terms, tell=broom.say.note) as lease:
            for orphan in orphans:
                _discard(broom, under(broom.target, lease.check), orphan, swept)
    except LockedError as error:
        done = {*swept.deleted, *(each.orphan for each in swept.kept)}
        swept.kept += [Kept(orphan, str(error)) for orphan in orphans if orphan not in done]


def _sweep_unowned(broom: Broom, orphan: Orphan, swept: Swept) -> None:
    """Delete resources that a new endpoint could reuse, unless a change has begun."""
    because = _hindrance(orphan, lock.busy(broom.target.notes, broom.terms))
    if because:
        swept.kept.append(Kept(orphan, because))
    else:
        _discard(broom, broom.target, orphan, swept)


def _discard(broom: Broom, target: Target, orphan: Orphan, swept: Swept) -> None:
    try:
        with broom.say.step(f"delete {orphan}"):
            _delete(target, orphan, broom.deadline)
    except ConflictError as error:
        swept.kept.append(Kept(orphan, str(error)))
    except TargetError as error:
        swept.kept.append(Kept(orphan, str(error)))
        swept.failures.append(error)
    else:
        swept.deleted.append(orphan)


def _delete(target: Target, orphan: Orphan, deadline: Deadline) -> None:
    if orphan.kind == ENDPOINT:
        with suppress(NotFoundError):
            if not _why_dead(target.describe(orphan.name)):
                raise ConflictError(f"{orphan} is used again")
        endpoint_changes.remove(target, orphan.name, deadline)
    elif orphan.kind == EXPERIMENT:
        if orphan not in _experiments(target, [orphan.name]):
            raise ConflictError(f"{orphan} goes on")
        experiment.end(target.notes, orphan.name)
    elif orphan.kind == HISTORY:
        if orphan not in _histories(target, [orphan.name]):
            raise ConflictError(f"{orphan} is of an endpoint that is there again")
        journal.end(target.notes, orphan.name)
    elif orphan.kind != LOCK:  # that was taken over for this, and ends with it
        target.discard(orphan)


def _endpoints(target: Target) -> Iterator[Orphan]:
    for name in target.endpoints():
        with suppress(NotFoundError):
            why = _why_dead(target.describe(name))
            if why:
                yield Orphan(ENDPOINT, name, name, reason=why)


def _why_dead(current: Endpoint) -> str:
    """Say why an endpoint cannot answer, nor will without a release; nothing if it can."""
    if current.settled and not current.deployments:
        return "nothing is deployed behind it"
    return "it failed, and nothing behind it is ready" if history.is_dead(current) else ""


def _notes(target: Target, busy: Mapping[str, Claim | None]) -> Iterator[Orphan]:
    keys = target.notes.keys()
    yield from _experiments(target, lock.endpoints(keys, experiment.FOLDER))
    yield from _histories(target, lock.endpoints(keys, journal.FOLDER))
    for name in lock.endpoints(keys):
        if name not in busy:
            yield Orphan(LOCK, name, name, reason="its time is over, or its holder has ended")


def _experiments(target: Target, names: Iterable[str]) -> Iterator[Orphan]:
    for name in names:
        if not experiment.stands(target, name):
            yield Orphan(EXPERIMENT, name, name, reason="one of its two deployments is gone")


def _histories(target: Target, names: Iterable[str]) -> Iterator[Orphan]:
    for name in names:
        try:
            target.describe(name)
        except NotFoundError:
            yield Orphan(HISTORY, name, name, reason="its endpoint is gone")


def _hindrance(orphan: Orphan, busy: Mapping[str, Claim | None]) -> str:
    """Say who is changing what this may be needed for."""
    if orphan.endpoint:
        return _told(orphan.endpoint, busy[orphan.endpoint]) if orphan.endpoint in busy else ""
    return "; ".join(f"{_told(name, claim)}, and may use it" for name, claim in busy.items())


def _told(endpoint: str, claim: Claim | None) -> str:
    if claim is None:
        return f"the lock of {endpoint} cannot be read"
    return f"{endpoint} is being changed: {claim.what} by {claim.owner}"
