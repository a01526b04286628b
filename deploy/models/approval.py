"""Approval for live accounts: approved versions, and releases forced with a reason."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tridock.deploy.target.errors import ConfigError, GateError
from tridock.deploy.target.model_registry import Approval
from tridock.deploy.target.notes import Note, Notes
from tridock.deploy.target.protocol import Target
from tridock.deploy.waiting.owner import CALLER, Owner
from tridock.inference.plaintext import line

if TYPE_CHECKING:
    from tridock.inference.bundle.bundle import Bundle

#: Characters of a reason; with who and when it fits what all registries keep.
LONGEST = 280
#: Forced releases of a bundle that are remembered.
REMEMBERED = 20


@dataclass(frozen=True)
class Forced:
    """A release to a live account without approval.

    Attributes
    ----------
    who, when, why : str
        The caller as the target says; UTC time, ISO 8601; the reason.
    endpoint : str
        Where it went.
    bundle, version, digest : str
        What went there.
    stood : str
        What was against it.
    claimed : str
        What the environment said of user and CI run; not verified.
    """

    who: str
    when: str
    why: str
    endpoint: str
    bundle: str
    version: str
    digest: str
    stood: str
    claimed: str = ""


@dataclass(frozen=True)
class Objection:
    """Reason against a release to a live account.

    Attributes
    ----------
    said : str
        In words.
    verbs : tuple of str
        The words after ``tridock`` that would end it, in order.
    """

    said: str
    verbs: tuple[str, ...]


def signed(reason: str, caller: str) -> str:
    """Return a reason with the caller, as the target says, and the time.

    What the environment claims of user and CI run follows the caller, and is marked as claimed.

    Raises
    ------
    ConfigError
        If it is empty or too long.
    """
    return f"{Owner.here(caller[:CALLER]).who()}, {_now()}: {_plain(reason)}"


def objection(target: Target, bundle: Bundle) -> Objection | None:
    """Return the reason against a bundle; None if it is approved, or there is no registry.

    The bundle is found by its digest, under any name and in any folder.
    """
    if "models" in target.limits:
        return None
    approve = f"models approve {bundle.name}:{bundle.version} --reason WHY"
    versions = target.models.versions(bundle.name)
    registered = next((version for version in versions if version.digest == bundle.digest), None)
    if registered is None:
        what = f"the bundle {bundle.name} {bundle.version} ({bundle.digest[:12]}…)"
        return Objection(f"{what} is not registered", ("models register --bundle DIR", approve))
    if registered.approval is Approval.APPROVED:
        return None
    decided = f" ({registered.reason})" if registered.reason else ""
    state = registered.approval.value
    return Objection(
        f"{registered.model} {registered.version} is not approved: {state}{decided}", (approve,)
    )


def demand(against: Objection | None, target: str, force: str | None) -> None:
    """Return if nothing is against a release, or it is forced.

    Raises
    ------
    GateError
        With what to do.
    ConfigError
        If the reason of `force` is none.
    """
    if force is not None:
        _plain(force)
    elif against:
        steps = [f"`tridock {verb} --target {target} --live`" for verb in against.verbs]
        raise GateError(
            f"{against.said}. Only what is approved goes to a live account; nothing was changed. "
            f"Approve it: {', then '.join(steps)}. Or release it with --force WHY, which is "
            "recorded"
        )


def record(notes: Notes, forced: Forced) -> None:
    """Remember a forced release beside the artifacts."""
    standing = notes.read(_key(forced.digest))
    entries = [*_told(standing), forced][-REMEMBERED:]
    body = json.dumps([asdict(entry) for entry in entries], indent=1).encode()
    notes.write(_key(forced.digest), body, over=standing)


def force(bundle: Bundle, endpoint: str, *, why: str, stood: str, caller: str) -> Forced:
    """Return the record of a release that the caller forces now."""
    what, here = (bundle.name, bundle.version, bundle.digest), Owner.here(caller)
    return Forced(here.caller, _now(), _plain(why), endpoint, *what, stood, here.claimed)


def forced(notes: Notes, digest: str) -> tuple[Forced, ...]:
    """Return the forced releases of a bundle, oldest first."""
    return tuple(_told(notes.read(_key(digest))))


def _told(note: Note | None) -> list[Forced]:
    with suppress(ValueError, TypeError):
        return [Forced(**one) for one in json.loads(note.body)] if note else []
    return []


def _key(digest: str) -> str:
    return f"forced/{digest}.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plain(reason: str) -> str:
    """Return a reason on one line, without control characters."""
    text = line(" ".join(reason.split()))
    if not text or len(text) > LONGEST:
        raise ConfigError(
            f"a reason of 1 to {LONGEST} characters was expected, and this has {len(text)}"
        )
    return text
