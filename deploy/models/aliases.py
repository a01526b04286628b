"""History of a model's aliases: a note beside the artifacts, the newest entry last."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from tridock.deploy.target.errors import ConflictError
from tridock.deploy.target.model_registry import ModelVersion
from tridock.deploy.target.notes import Note, Notes
from tridock.deploy.waiting.owner import Owner

#: Changes of a model's aliases that are remembered, and tries while others change them, too.
REMEMBERED, TRIES = 50, 5


@dataclass(frozen=True)
class Naming:
    """One change of an alias.

    Attributes
    ----------
    alias, version, before : str
        What names which version now, and named before; empty for none.
    who, when : str
        The caller as the target says; UTC time, ISO 8601.
    claimed : str
        What the environment said of user and CI run; not verified.
    """

    alias: str
    version: str
    before: str
    who: str
    when: str
    claimed: str


def record(notes: Notes, version: ModelVersion, alias: str, *, before: str, caller: str) -> None:
    """Remember that an alias is given to a version; to be called before it is.

    Raises
    ------
    ConflictError
        If others change the model's aliases at the same time, again and again.
    """
    here, now = Owner.here(caller), datetime.now(UTC).isoformat(timespec="seconds")
    made = Naming(alias, version.version, before, here.caller, now, here.claimed)
    for _ in range(TRIES):
        standing = notes.read(_key(version.model))
        kept = [*_read(standing), made][-REMEMBERED:]
        body = json.dumps([asdict(one) for one in kept], indent=1).encode()
        with suppress(ConflictError):
            notes.write(_key(version.model), body, over=standing)
            return
    raise ConflictError(f"the aliases of {version.model} are changed by several at once: try again")


def changes(notes: Notes, model: str) -> tuple[Naming, ...]:
    """Return the remembered changes of a model's aliases, oldest first."""
    return tuple(_read(notes.read(_key(model))))


def _read(note: Note | None) -> list[Naming]:
    with suppress(ValueError, TypeError):
        return [Naming(**one) for one in json.loads(note.body)] if note else []
    return []


def _key(model: str) -> str:
    return f"aliases/{model}.json"
