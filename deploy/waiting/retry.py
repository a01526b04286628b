"""Trying again, once for all clouds: only what may succeed later, and not forever."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tridock.deploy.target import names
from tridock.deploy.target.errors import BusyError, ConflictError, UnavailableError, UnsentError
from tridock.deploy.target.model_registry import Approval, Models, ModelVersion
from tridock.deploy.target.notes import Note, Notes
from tridock.deploy.target.protocol import Endpoint, Release, Scaling, Target
from tridock.deploy.waiting.wait import Clock, Deadline

if TYPE_CHECKING:
    from tridock.deploy.target.metrics import Answer, Metrics
    from tridock.deploy.target.orphans import Orphan
    from tridock.inference.bundle.bundle import Bundle

Result = TypeVar("Result")


@dataclass(frozen=True)
class Policy:
    """How patient to be.

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
    """Asked before each try; raises once we may not go on, e.g. because a lock is lost."""


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


@dataclass(frozen=True)
class RetryingTarget:
    """A target that tries again. Its verbs may be repeated: the contract demands it.

    Names are checked here, for every target: a `ConfigError` before anything is touched.

    `invoke` sends once: a request that failed is what a judge has to see. It is tried again only
    where nothing was sent, because the endpoint's address or key could not be asked for.
    """

    target: Target
    policy: Policy = field(default_factory=Policy)

    def under(self, permit: Callable[[], None]) -> RetryingTarget:
        """Return the same target with `permit` asked before each try of each verb."""
        return replace(self, policy=replace(self.policy, permit=permit))

    @property
    def name(self) -> str:
        """See `Target.name`."""
        return self.target.name

    @property
    def limits(self) -> Mapping[str, str]:
        """See `Target.limits`."""
        return self.target.limits

    @property
    def notes(self) -> Notes:
        """See `Target.notes`."""
        return RetryingNotes(self.target.notes, self.policy)

    @property
    def models(self) -> Models:
        """See `Target.models`."""
        return RetryingModels(self.target.models, self.policy)

    def identity(self) -> str:
        """See `Target.identity`."""
        return call(self.target.identity, self.policy)

    def caller(self) -> str:
        """See `Target.caller`."""
        return call(self.target.caller, self.policy)

    def endpoints(self) -> Sequence[str]:
        """See `Target.endpoints`."""
        return call(self.target.endpoints, self.policy)

    def upload(self, bundle: Bundle) -> str:
        """See `Target.upload`."""
        names.check("model", bundle.name)
        names.check("version", bundle.version, names.VERSION)
        return call(lambda: self.target.upload(bundle), self.policy)

    def deploy(self, release: Release) -> None:
        """See `Target.deploy`."""
        _check(release.endpoint, release.name)
        call(lambda: self.target.deploy(release), self.policy)

    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        """See `Target.scale`."""
        _check(endpoint, deployment)
        call(lambda: self.target.scale(endpoint, deployment, scaling), self.policy)

    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        """See `Target.resize`."""
        call(lambda: self.target.resize(endpoint, deployment, count), self.policy)

    def describe(self, endpoint: str) -> Endpoint:
        """See `Target.describe`."""
        _check(endpoint)
        return call(lambda: self.target.describe(endpoint), self.policy)

    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        """See `Target.set_traffic`."""
        _check(endpoint, *traffic)
        call(lambda: self.target.set_traffic(endpoint, traffic), self.policy)

    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        """See `Target.invoke`. Sent once."""
        _check(endpoint, *filter(None, [deployment]))
        return call(
            lambda: self.target.invoke(endpoint, body, deployment=deployment),
            self.policy,
            of=UnsentError,
        )

    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        """See `Target.shadow`."""
        _check(endpoint, deployment)
        call(lambda: self.target.shadow(endpoint, deployment, percent), self.policy)

    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics | None:
        """See `Target.metrics`."""
        _check(endpoint, deployment)
        return call(lambda: self.target.metrics(endpoint, deployment, since), self.policy)

    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        """See `Target.answers`."""
        _check(endpoint, deployment)
        return call(lambda: self.target.answers(endpoint, deployment, since), self.policy)

    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        """See `Target.logs`."""
        _check(endpoint, deployment)
        return call(lambda: self.target.logs(endpoint, deployment, lines=lines), self.policy)

    def undeploy(self, endpoint: str, deployment: str) -> None:
        """See `Target.undeploy`."""
        _check(endpoint, deployment)
        call(lambda: self.target.undeploy(endpoint, deployment), self.policy)

    def delete(self, endpoint: str) -> None:
        """See `Target.delete`."""
        _check(endpoint)
        call(lambda: self.target.delete(endpoint), self.policy)

    def purge(self, endpoint: str) -> None:
        """See `Target.purge`."""
        _check(endpoint)
        call(lambda: self.target.purge(endpoint), self.policy)

    def orphans(self) -> Sequence[Orphan]:
        """See `Target.orphans`."""
        return call(self.target.orphans, self.policy)

    def discard(self, orphan: Orphan) -> None:
        """See `Target.discard`."""
        call(lambda: self.target.discard(orphan), self.policy)

    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        """See `Target.snippets`."""
        _check(endpoint)
        return self.target.snippets(endpoint, body)


def _check(endpoint: str, *deployments: str) -> None:
    names.check("endpoint", endpoint)
    names.check_all("deployment", deployments)


@dataclass(frozen=True)
class RetryingNotes:
    """Notes that are tried again, and that know their own hand.

    A write whose answer was lost may have been done. Then the next try meets what stands there,
    which is no race lost if it is what we wrote.
    """

    notes: Notes
    policy: Policy = field(default_factory=Policy)

    def keys(self) -> Sequence[str]:
        """See `Notes.keys`."""
        return call(self.notes.keys, self.policy)

    def read(self, key: str) -> Note | None:
        """See `Notes.read`."""
        names.check("key of a note", key, names.KEY)
        return call(lambda: self.notes.read(key), self.policy)

    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        """See `Notes.write`."""
        names.check("key of a note", key, names.KEY)
        try:
            return call(lambda: self.notes.write(key, body, over=over), self.policy)
        except ConflictError:
            found = self.read(key)
            if found is None or found.body != body or found == over:
                raise
            return found

    def remove(self, key: str, *, over: Note) -> None:
        """See `Notes.remove`."""
        names.check("key of a note", key, names.KEY)
        call(lambda: self.notes.remove(key, over=over), self.policy)


@dataclass(frozen=True)
class RetryingModels:
    """A registry that tries again. All its verbs may be repeated: the contract demands it."""

    models: Models
    policy: Policy = field(default_factory=Policy)

    def names(self) -> Sequence[str]:
        """See `Models.names`."""
        return call(self.models.names, self.policy)

    def versions(self, model: str) -> Sequence[ModelVersion]:
        """See `Models.versions`."""
        names.check("model", model)
        return call(lambda: self.models.versions(model), self.policy)

    def register(self, bundle: Bundle) -> ModelVersion:
        """See `Models.register`."""
        names.check("model", bundle.name)
        names.check("version", bundle.version, names.VERSION)
        return call(lambda: self.models.register(bundle), self.policy)

    def approve(self, model: str, version: str, approval: Approval, reason: str) -> None:
        """See `Models.approve`."""
        names.check("model", model)
        names.check("version", version, names.VERSION)
        call(lambda: self.models.approve(model, version, approval, reason), self.policy)

    def alias(self, model: str, alias: str, version: str) -> None:
        """See `Models.alias`."""
        names.check_all("model or alias", (model, alias))
        names.check("version", version, names.VERSION)
        call(lambda: self.models.alias(model, alias, version), self.policy)

    def fetch(self, found: ModelVersion, folder: Path) -> None:
        """See `Models.fetch`."""
        call(lambda: self.models.fetch(found, folder), self.policy)
