"""A target in this process's memory: it keeps the contract, and fails where it is told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tests.deploy.memory_models import MemoryModels
from tridock.deploy.target.errors import (
    BusyError,
    ConflictError,
    InvokeError,
    NotFoundError,
    TargetError,
)
from tridock.deploy.target.metrics import Answer, Metrics, summed
from tridock.deploy.target.notes import Note
from tridock.deploy.target.records import Deployment, Endpoint, Orphan, Release, Scaling, State
from tridock.inference.bundle.bundle import Bundle

#: The one request it refuses.
WRONG = b'{"instances": [[1]]}'
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class MemoryNotes:
    """Notes in a dictionary; each write is a version of its own."""

    kept: dict[str, Note] = field(default_factory=dict)
    writes: int = 0

    def keys(self) -> Sequence[str]:
        return sorted(self.kept)

    def read(self, key: str) -> Note | None:
        return self.kept.get(key)

    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        if self.kept.get(key) != over:
            raise ConflictError(f"{key} was changed by somebody else")
        self.writes += 1
        self.kept[key] = Note(key, body, str(self.writes))
        return self.kept[key]

    def remove(self, key: str, *, over: Note) -> None:
        if self.kept.get(key, over) != over:
            raise ConflictError(f"{key} was changed by somebody else")
        self.kept.pop(key, None)


@dataclass
class MemoryTarget:
    """Endpoints in dictionaries.

    Attributes
    ----------
    slow : int
        How often a change is looked at before it is done.
    faults : dict
        What to raise, by the number of the call, from 1; `invoke` and `describe` count, too.
    answer : callable
        What a deployment's model server answers.
    broken : str
        A deployment of this name never becomes ready, for this reason.
    crashed : dict
        A deployment of this name has failed, for this reason, until it is deployed again.
    seen : dict
        Live requests by deployment.
    blind : bool
        Whether it tells nothing of live requests.
    spare : list
        What else is left over.
    """

    name: str = "memory"
    limits: Mapping[str, str] = field(default_factory=dict)
    slow: int = 1
    faults: dict[int, BaseException] = field(default_factory=dict)
    answer: Callable[[str, bytes], bytes] = lambda name, body: b'{"predictions": ["setosa"]}'
    broken: Mapping[str, str] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)
    unwilling: Mapping[str, int] = field(default_factory=dict)
    dead_after: int = 0
    calls: list[str] = field(default_factory=list)
    artifacts: set[str] = field(default_factory=set)
    running: dict[str, dict[str, Release]] = field(default_factory=dict)
    born: dict[tuple[str, str], datetime] = field(default_factory=dict)
    traffic: dict[str, dict[str, int]] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    copies: dict[str, dict[str, int]] = field(default_factory=dict)
    seen: dict[str, list[Answer]] = field(default_factory=dict)
    blind: bool = False
    spare: list[Orphan] = field(default_factory=list)

    notes: MemoryNotes = field(default_factory=MemoryNotes)
    models: MemoryModels = field(default_factory=MemoryModels)

    def identity(self) -> str:
        self._count("identity")
        return "memory"

    def caller(self) -> str:
        return "ada of the memory"

    def endpoints(self) -> Sequence[str]:
        self._count("endpoints")
        return sorted(self.running)

    def upload(self, bundle: Bundle) -> str:
        self._count("upload")
        self.artifacts.add(bundle.digest)
        return f"memory://{bundle.digest}"

    def deploy(self, release: Release) -> None:
        self._count("deploy")
        found = self.running.get(release.endpoint, {}).get(release.name)
        if found and found != replace(release, scaling=found.scaling, count=found.count):
            raise ConflictError(f"{release.name} exists with other settings")
        self.crashed.pop(release.name, None)
        if found:
            return
        self._change(release.endpoint)
        behind = self.running.setdefault(release.endpoint, {})
        behind[release.name] = replace(release, scaling=None)
        self.born[release.endpoint, release.name] = START + timedelta(seconds=len(self.born))
        if len(behind) == 1:
            self.traffic[release.endpoint] = {release.name: 100}

    def describe(self, endpoint: str) -> Endpoint:
        self._count("describe")
        behind = self._behind(endpoint)
        left = self.pending.get(endpoint, 0)
        self.pending[endpoint] = max(0, left - 1)
        deployments = {name: self._deployment(one, left) for name, one in behind.items()}
        failed = all(one.state is State.FAILED for one in deployments.values())
        state = State.UPDATING if left else State.FAILED if failed else State.READY
        shadow = dict(self.copies.get(endpoint, {}))
        return Endpoint(endpoint, deployments, self.traffic[endpoint], state, shadow=shadow)

    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        self._count("scale")
        behind = self._behind(endpoint)
        if deployment not in behind:
            raise NotFoundError(f"no deployment {deployment}")
        behind[deployment] = replace(behind[deployment], scaling=scaling)

    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        self._count("resize")
        behind = self._behind(endpoint)
        if deployment not in behind:
            raise NotFoundError(f"no deployment {deployment}")
        if "scaling again" in self.limits and behind[deployment].count != count:
            raise ConflictError(f"{deployment} has another number of instances")
        behind[deployment] = replace(behind[deployment], count=count)

    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        self._count("set_traffic")
        unknown = sorted(set(traffic) - set(self._behind(endpoint)))
        if unknown:
            raise NotFoundError(f"no deployment {unknown[0]}")
        if traffic == self.unwilling:
            raise TargetError("the cloud is on fire")
        self._change(endpoint)
        self.traffic[endpoint] = {name: share for name, share in traffic.items() if share}

    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        self._count("invoke")
        behind = self._behind(endpoint)
        name = deployment or max(self.traffic[endpoint], key=self.traffic[endpoint].__getitem__)
        if name not in behind:
            raise NotFoundError(f"no deployment {name}")
        if name in self.broken or name in self.crashed:
            raise InvokeError("it is broken", status=503)
        if body == WRONG:
            raise InvokeError("the model answered 400", status=400)
        return self.answer(name, body)

    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        self._count("shadow")
        if deployment not in self._behind(endpoint):
            raise NotFoundError(f"no deployment {deployment}")
        if self.traffic[endpoint].get(deployment):
            raise ConflictError(f"{deployment} has traffic")
        self.copies[endpoint] = {deployment: percent} if percent else {}

    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics | None:
        self._count("metrics")
        return None if self.blind else summed(self.seen.get(deployment, ()))

    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        self._count("answers")
        return () if self.blind else tuple(self.seen.get(deployment, ()))

    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        self._count("logs")
        known = deployment in self.running.get(endpoint, {})
        return (f"{deployment} wrote this",)[-lines:] if known else ()

    def undeploy(self, endpoint: str, deployment: str) -> None:
        self._count("undeploy")
        behind = self.running.get(endpoint, {})
        if deployment not in behind:
            return
        if self.traffic[endpoint].get(deployment):
            raise ConflictError(f"{deployment} has traffic")
        if self.copies.get(endpoint, {}).get(deployment):
            raise ConflictError(f"{deployment} gets copies")
        self._change(endpoint)
        del behind[deployment]

    def delete(self, endpoint: str) -> None:
        self._count("delete")
        self.running.pop(endpoint, None)
        self.pending.pop(endpoint, None)
        self.copies.pop(endpoint, None)

    def purge(self, endpoint: str) -> None:
        self._count("purge")
        self.artifacts &= self._used()

    def orphans(self) -> Sequence[Orphan]:
        self._count("leftovers")
        idle = sorted(self.artifacts - self._used())
        return [*self.spare, *(Orphan("bundle", one, reason="nobody uses it") for one in idle)]

    def discard(self, orphan: Orphan) -> None:
        self._count("discard")
        if orphan.name in self._used():
            raise ConflictError(f"{orphan} is used again")
        self.spare = [one for one in self.spare if one != orphan]
        self.artifacts.discard(orphan.name)

    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        return {"memory": f"{endpoint} {body!r}"}

    def _used(self) -> set[str]:
        return {one.digest for every in self.running.values() for one in every.values()}

    def _behind(self, endpoint: str) -> dict[str, Release]:
        if endpoint not in self.running:
            raise NotFoundError(f"no endpoint {endpoint}")
        return self.running[endpoint]

    def _change(self, endpoint: str) -> None:
        if self.pending.get(endpoint):
            self.pending[endpoint] -= 1  # time passes, also for one that only tries again
            raise BusyError(f"{endpoint} is updating")
        self.pending[endpoint] = self.slow

    def _deployment(self, one: Release, left: int) -> Deployment:
        made = self.born[one.endpoint, one.name]
        latest = max(self.born[one.endpoint, name] for name in self.running[one.endpoint])
        state = State.CREATING if left and made == latest else State.READY
        shown = Deployment(one.name, state, "", one.bundle, one.version, one.digest, created=made)
        shown = replace(shown, instance=one.instance, count=one.count, scaling=one.scaling)
        if (reason := {**self.broken, **self.crashed}.get(one.name)) and not left:
            return replace(shown, state=State.FAILED, reason=reason)
        return shown

    def _count(self, verb: str) -> None:
        self.calls.append(verb)
        if self.dead_after and len(self.calls) > self.dead_after:
            raise KeyboardInterrupt
        fault = self.faults.pop(len(self.calls), None)
        if fault:
            raise fault
