"""Trying again, once for all clouds: only what may succeed later, and not forever."""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, cast

from tridock.deploy.target import names
from tridock.deploy.target.errors import BusyError, ConflictError, UnavailableError, UnsentError
from tridock.deploy.target.model_registry import Models
from tridock.deploy.target.notes import Note, Notes
from tridock.deploy.target.protocol import Target
from tridock.deploy.waiting.wait import Clock, Deadline

Result = TypeVar("Result")
Port = TypeVar("Port")


@dataclass(frozen=True)
class Policy:
    """Limits of the repeated tries of one call.

    Attributes
    ----------
    patience : float
        Seconds after the first failure in which a call is tried again.
    busy : float
        The same, while another change is under way: a cloud takes minutes for one.
    first, longest : float
        Seconds of the first and of the longest pause. Each pause is drawn between zero and its
        bound, which doubles ("full jitter", AWS Architecture Blog, "Exponential Backoff And
        Jitter"), and never shorter than what the cloud asks for.
    """

    patience: float = 60.0
    busy: float = 600.0
    first: float = 0.5
    longest: float = 20.0
    clock: Clock = field(default_factory=Clock)
    dice: Callable[[float, float], float] = random.uniform
    permit: Callable[[], None] = lambda: None
    """Called before each try; raises once we may not go on, e.g. because a lock is lost."""


def call(
    work: Callable[[], Result], policy: Policy, *, of: type[UnavailableError] = UnavailableError
) -> Result:
    """Return what `work` returns, trying again while it raises an error `of` this kind.

    Raises
    ------
    UnavailableError
        The last one, once the next pause would end after the policy's patience.
    """
    deadline = Deadline.after(policy.patience, policy.clock)
    settled = Deadline.after(policy.busy, policy.clock)
    bound = policy.first
    while True:
        policy.permit()
        try:
            return work()
        except of as error:
            pause = max(error.retry_after or 0.0, policy.dice(0.0, bound))
            if pause >= (settled if isinstance(error, BusyError) else deadline).left():
                raise
        policy.clock.sleep(pause)
        bound = min(bound * 2, policy.longest)


def retrying(target: Target, policy: Policy | None = None) -> Target:
    """Return a target whose verbs are tried again, and whose names are checked before that.

    `invoke` sends once: a failed request is what a judge has to see. It is tried again only where
    nothing was sent, because the endpoint's address or key could not be read.
    """
    return cast(Target, _Target(target, policy or Policy()))


def under(target: Target, permit: Callable[[], None]) -> Target:
    """Return the same target with `permit` called before each try of each verb.

    Raises
    ------
    TypeError
        If it is not one of `retrying`.
    """
    if not isinstance(target, _Target):
        raise TypeError(f"{type(target).__name__} does not try again: use retrying")
    return retrying(target.port, replace(target.policy, permit=permit))


def close(target: Target) -> None:
    """Close the connections of a target of `retrying`, where its account keeps some."""
    account: Any = getattr(getattr(target, "port", target), "account", None)
    if hasattr(account, "close"):
        account.close()


def retrying_notes(notes: Notes, policy: Policy) -> Notes:
    """Return notes that are tried again, and that recognise their own writes."""
    return cast(Notes, _Notes(notes, policy))


def retrying_models(models: Models, policy: Policy) -> Models:
    """Return a registry of models whose verbs are tried again."""
    return cast(Models, _Models(models, policy))


#: A parameter of a verb: what is checked of its value.
CHECKS: Mapping[str, Callable[[Any], object]] = {
    "endpoint": lambda name: names.check("endpoint", name),
    "deployment": lambda name: name is None or names.check("deployment", name),
    "traffic": lambda traffic: names.check_all("deployment", traffic),
    "release": lambda release: (
        names.check("endpoint", release.endpoint),
        names.check("deployment", release.name),
    ),
    "bundle": lambda bundle: (
        names.check("model", bundle.name),
        names.check("version", bundle.version, names.VERSION),
    ),
    "model": lambda name: names.check("model", name),
    "alias": lambda name: names.check("alias", name),
    "version": lambda name: names.check("version", name, names.VERSION),
    "key": lambda name: names.check("key of a note", name, names.KEY),
}
#: Verbs that are tried again after fewer errors than `UnavailableError`.
_ERRORS = {"invoke": UnsentError}
#: Properties and verbs that call nothing.
_LOCAL = frozenset({"name", "limits", "snippets"})


class Retrying(Generic[Port]):
    """A port whose verbs are generated from its protocol: names are checked, calls tried again.

    Verbs may be repeated: the contract of each port demands it.
    """

    protocol: type

    def __init__(self, port: Port, policy: Policy) -> None:
        self.port = port
        self.policy = policy

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(self.protocol, name):
            raise AttributeError(f"{self.protocol.__name__} has no {name}")
        member = getattr(self.port, name)
        if not callable(member):
            return member
        return functools.wraps(member)(functools.partial(self._verb, name, member))

    def _verb(self, name: str, verb: Callable[..., Any], *given: Any, **named: Any) -> Any:
        values = inspect.signature(getattr(self.protocol, name)).bind(self, *given, **named)
        for parameter, value in values.arguments.items():
            CHECKS.get(parameter, bool)(value)
        if name in _LOCAL:
            return verb(*given, **named)
        of = _ERRORS.get(name, UnavailableError)
        return call(lambda: verb(*given, **named), self.policy, of=of)


class _Target(Retrying[Target]):
    protocol = Target

    @property
    def notes(self) -> Notes:
        return retrying_notes(self.port.notes, self.policy)

    @property
    def models(self) -> Models:
        return retrying_models(self.port.models, self.policy)


class _Models(Retrying[Models]):
    protocol = Models


class _Notes(Retrying[Notes]):
    """A write whose answer was lost may have been done.

    Then the next try meets what is there, which is no lost race if it is what was written.
    """

    protocol = Notes

    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        try:
            return cast(Note, self._verb("write", self.port.write, key, body, over=over))
        except ConflictError:
            note = retrying_notes(self.port, self.policy).read(key)
            if note is None or note.body != body or note == over:
                raise
            return note
