"""One change of an endpoint at a time: a note in the cloud says who is at it, and until when.

The lock is a lease: it ends by itself, is renewed while its holder lives, and who cannot renew
it stops before it ends. Clocks of two machines may differ by `Terms.margin`.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

from tridock.deploy.target import names
from tridock.deploy.target.errors import ConflictError, DeployError, LockedError, UnavailableError
from tridock.deploy.target.notes import Note, Notes
from tridock.deploy.waiting.owner import Owner

log = logging.getLogger(__name__)

#: Tries of two that want the lock at once before one of them is refused.
TRIES = 5

#: Where locks stand among the notes.
FOLDER = "locks"


@dataclass(frozen=True)
class Terms:
    """Durations of a lock.

    Attributes
    ----------
    length : float
        Seconds from its last renewal to its end: as long a killed holder of another machine
        keeps the next one waiting.
    renewal : float
        Seconds between renewals.
    margin : float
        Seconds before its end in which the holder changes nothing any more.
    now : callable
        The time, with its zone.
    caller : str
        Who takes it, as the target says (`Target.caller`).
    """

    length: float = 120.0
    renewal: float = 20.0
    margin: float = 30.0
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    caller: str = ""


@dataclass(frozen=True)
class Claim:
    """Content of a lock's note.

    Attributes
    ----------
    owner : Owner
        Who holds it.
    what : str
        What for, e.g. ``"release of iris 2"``.
    since, until : datetime
        When it was taken, and when it ends unless it is renewed.
    """

    owner: Owner
    what: str
    since: datetime
    until: datetime

    def body(self) -> bytes:
        """Return it as JSON."""
        times = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return json.dumps({**asdict(self), **times}, indent=2).encode()

    @classmethod
    def read(cls, note: Note) -> Claim:
        """Read a lock's note.

        Raises
        ------
        LockedError
            If it is none of ours.
        """
        try:
            values = json.loads(note.body)
            owner = Owner.read(values["owner"])
            since, until = (_moment(values[name]) for name in ("since", "until"))
            return cls(owner, str(values["what"]), since, until)
        except (ValueError, KeyError, TypeError) as error:
            raise LockedError(
                f"the note {note.key} is no lock of this version ({error!r}): "
                "if nothing is being released, remove it"
            ) from error


class Lease:
    """A lock that is held, and renewed by a thread of its own.

    Parameters
    ----------
    notes : Notes
        Its path.
    note : Note
        As it was written.
    terms : Terms
        How long it lasts.
    """

    def __init__(self, notes: Notes, note: Note, terms: Terms) -> None:
        self._notes = notes
        self._note = note
        self._terms = terms
        self._lost = ""
        self._changing = threading.Lock()

    def check(self) -> None:
        """Return while the lock is held; to be called before each change.

        Raises
        ------
        LockedError
            If another command took it, or it could not be renewed in time.
        """
        claim = Claim.read(self._note)
        left = claim.until - self._terms.now() - timedelta(seconds=self._terms.margin)
        if self._lost or left < timedelta(0):
            why = self._lost or "it could not be renewed in time"
            raise LockedError(
                f"the lock {self._note.key} for the {claim.what} is lost: {why}. Nothing was "
                "changed since; see `tridock status` before you go on"
            )

    def renew(self) -> None:
        """Put its end off; where that fails, the next time may succeed."""
        with self._changing:
            claim = Claim.read(self._note)
            longer = _claim(claim.owner, claim.what, self._terms, since=claim.since)
            try:
                self._note = self._notes.write(self._note.key, longer.body(), over=self._note)
            except ConflictError as error:
                self._lost = str(error)
            except DeployError as error:
                log.warning("the lock %s was not renewed: %s", self._note.key, error)

    def give_back(self) -> None:
        """Remove it, unless it belongs to another command by now."""
        with self._changing, suppress(ConflictError):
            try:
                self._notes.remove(self._note.key, over=self._note)
            except UnavailableError as error:
                log.warning("the lock %s ends by itself: %s", self._note.key, error)


@contextmanager
def held(
    notes: Notes,
    endpoint: str,
    what: str,
    *,
    terms: Terms | None = None,
    tell: Callable[[str], None] = log.info,
) -> Iterator[Lease]:
    """Hold an endpoint's lock around a block.

    A holder that has ended on this machine is succeeded at once; any other, once its time is up.

    Parameters
    ----------
    what : str
        What the lock is for, e.g. ``"release of iris 2"``.
    tell : callable
        Called with a message about a lock that was taken over.

    Raises
    ------
    LockedError
        If another command holds it: whose, what for, and since when.
    """
    terms = terms or Terms()
    lease = Lease(notes, _taken(notes, endpoint, what, terms=terms, tell=tell), terms)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(terms.renewal):
            lease.renew()

    renewer = threading.Thread(target=renew, daemon=True, name=f"lock of {endpoint}")
    renewer.start()
    try:
        yield lease
    finally:
        ended.set()
        lease.give_back()


def holder(notes: Notes, endpoint: str, terms: Terms | None = None) -> Claim | None:
    """Return who holds an endpoint's lock, None if it is free.

    Raises
    ------
    LockedError
        If the note there is no lock of ours.
    """
    note = notes.read(_key(endpoint))
    claim = Claim.read(note) if note else None
    return claim if claim and not _is_free(claim, terms or Terms()) else None


def busy(notes: Notes, terms: Terms | None = None) -> dict[str, Claim | None]:
    """Return the claims of those who are changing something; None for one that cannot be read."""
    claims: dict[str, Claim | None] = {}
    for name in endpoints(notes.keys()):
        try:
            claim = holder(notes, name, terms)
        except LockedError:
            claims[name] = None
        else:
            claims |= {name: claim} if claim else {}
    return claims


def endpoints(keys: Iterable[str], folder: str = FOLDER) -> list[str]:
    """Return the endpoints of which notes with these keys are, among those of a folder."""
    start, end = f"{folder}/", ".json"
    locked = (
        key[len(start) : -len(end)] for key in keys if key.startswith(start) and key.endswith(end)
    )
    return [name for name in locked if names.NAME.fullmatch(name)]


def _key(endpoint: str) -> str:
    return f"{FOLDER}/{endpoint}.json"


def _taken(
    notes: Notes, endpoint: str, what: str, *, terms: Terms, tell: Callable[[str], None]
) -> Note:
    key = _key(endpoint)
    for _ in range(TRIES):
        standing = notes.read(key)
        before = Claim.read(standing) if standing else None
        if before and not _is_free(before, terms):
            raise LockedError(_busy(endpoint, before, terms))
        try:
            note = notes.write(
                key, _claim(Owner.here(terms.caller), what, terms).body(), over=standing
            )
        except ConflictError:  # another was quicker
            continue
        if before:
            tell(f"took over the lock of {before.owner}, left by its {before.what}")
        return note
    raise LockedError(f"{endpoint} is being changed by several at once: try again")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


def _is_free(claim: Claim, terms: Terms) -> bool:
    return claim.until <= terms.now() or claim.owner.has_ended()


def _claim(owner: Owner, what: str, terms: Terms, *, since: datetime | None = None) -> Claim:
    now = terms.now()
    return Claim(owner, what, since or now, now + timedelta(seconds=terms.length))


def _busy(endpoint: str, claim: Claim, terms: Terms) -> str:
    ago = max(0.0, (terms.now() - claim.since).total_seconds())
    return (
        f"{endpoint} is being changed: {claim.what} by {claim.owner}, since "
        f"{claim.since:%Y-%m-%d %H:%M:%S} UTC, {ago:.0f} s ago. Try again when it is done; if it "
        f"was killed, its lock ends at {claim.until:%H:%M:%S} UTC"
    )
