"""The port: the verbs of a target, and the records of its answers."""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tridock.deploy.target.metrics import Answer, Metrics
    from tridock.deploy.target.model_registry import Models
    from tridock.deploy.target.notes import Notes
    from tridock.deploy.target.orphans import Orphan
    from tridock.inference.bundle.bundle import Bundle


class State(enum.Enum):
    """State of an endpoint or a deployment."""

    CREATING = "creating"
    READY = "ready"
    UPDATING = "updating"
    """Of an endpoint: a change is under way and the cloud would refuse another."""
    FAILED = "failed"
    DELETING = "deleting"


#: What the number of instances may follow, and what the target number then means.
METRICS = {
    "requests": "requests for each instance and minute",
    "concurrency": "requests that each instance answers at a time",
    "cpu": "percent of each instance's CPUs in use",
}


@dataclass(frozen=True)
class Scaling:
    """Scaling of a deployment: its number of instances follows its load.

    Attributes
    ----------
    minimum, maximum : int
        Bounds; a minimum of 0 lets the last instance end while no requests come.
    metric : str
        One of `METRICS`.
    target : int
        The value of the metric to hold.
    """

    minimum: int
    maximum: int
    metric: str
    target: int

    def __str__(self) -> str:
        return f"{self.minimum}-{self.maximum} by {self.metric} {self.target}"


@dataclass(frozen=True)
class Release:
    """Release to run. Immutable; two equal releases are the same release.

    Attributes
    ----------
    endpoint : str
        Endpoint to join or create.
    name : str
        Deployment name, unique within the endpoint and made from the content: `deployment_name`.
    artifact : str
        URI that `Target.upload` returned.
    image : str
        Container image; empty where the target needs none.
    instance : str
        The cloud's own name of the machine size, e.g. ``"ml.m5.large"``.
    count : int
        Number of instances; with `scaling`, those it begins with.
    bundle, version, digest : str
        The bundle's name, version and digest; the cloud keeps them as tags.
    scaling : Scaling or None
        None for a number that stays.
    allow_pickle : bool
        Whether the model server may load files that unpickle.
    """

    endpoint: str
    name: str
    artifact: str
    image: str = ""
    instance: str = ""
    count: int = 1
    bundle: str = ""
    version: str = ""
    digest: str = ""
    scaling: Scaling | None = None
    allow_pickle: bool = True

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of the model server."""
        return {} if self.allow_pickle else {"TRIDOCK_ALLOW_PICKLE": "false"}


@dataclass(frozen=True)
class Restarts:
    """Number of times that a deployment's model server ended by itself and was started again.

    Attributes
    ----------
    count : int
        Since the deployment was made.
    last_exit : str
        How it ended the last time, e.g. ``"code -9 (SIGKILL)"``.
    next_try : datetime or None
        When it is started again, with a time zone; None while it runs.
    """

    count: int
    last_exit: str
    next_try: datetime | None = None

    def __str__(self) -> str:
        again = f", next try at {self.next_try.astimezone():%H:%M:%S}" if self.next_try else ""
        return f"restarted {self.count} times, ended last with {self.last_exit}{again}"


@dataclass(frozen=True)
class Deployment:
    """Running release: a SageMaker variant, a Vertex deployed model, an Azure deployment.

    Attributes
    ----------
    name : str
        Unique within its endpoint.
    state : State
        Never `State.UPDATING`.
    reason : str
        Why it failed, in the cloud's words; else empty.
    bundle, version, digest : str
        From the cloud's tags; empty for what was not deployed by us.
    instance : str
        The cloud's own name of the machine size.
    count : int
        Number of instances now; where the cloud does not tell that, those it began with.
    created : datetime or None
        When the cloud made it, with a time zone: the order of releases. None if it does not say.
    scaling : Scaling or None
        Its present value in the cloud; None for a number that stays.
    restarts : Restarts or None
        None if its model server never ended by itself, or the target does not say.
    """

    name: str
    state: State
    reason: str = ""
    bundle: str = ""
    version: str = ""
    digest: str = ""
    instance: str = ""
    count: int = 1
    created: datetime | None = None
    scaling: Scaling | None = None
    restarts: Restarts | None = None


@dataclass(frozen=True)
class Endpoint:
    """One address, the deployments behind it, and how they share its traffic.

    Attributes
    ----------
    name : str
        Endpoint name.
    deployments : Mapping[str, Deployment]
        By name, those still coming up or failed included.
    traffic : Mapping[str, int]
        Deployment name to whole percent, without the zeros; sums to 100, or is empty.
    state : State
        `State.UPDATING` while the cloud would refuse another change.
    reason : str
        Why the endpoint, or the last change to it, failed; else empty.
    url : str
        Where requests go, where that is an address.
    shadow : Mapping[str, int]
        Deployment name to the percent of requests of which it gets a copy, without the zeros.
    """

    name: str
    deployments: Mapping[str, Deployment]
    traffic: Mapping[str, int] = field(default_factory=dict)
    state: State = State.READY
    reason: str = ""
    url: str = ""
    shadow: Mapping[str, int] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """True if no change is under way, so that another may begin."""
        return self.state in (State.READY, State.FAILED)


class Target(Protocol):
    """A place that can run releases.

    Adapters translate and do no more: no waiting, no retrying, no deciding. Each verb makes its
    calls, maps the answer to the records above and the failure to `deploy.errors`, and returns.
    Each may be called again after it was cut short anywhere, and then ends in the same state.
    ``tests/contract`` states what each must do.
    """

    @property
    def name(self) -> str:
        """The name for ``--target``."""
        ...

    @property
    def limits(self) -> Mapping[str, str]:
        """The limits of this target, each with the reason."""
        ...

    @property
    def notes(self) -> Notes:
        """Small documents beside the artifacts, for locks and records: compare and swap."""
        ...

    @property
    def models(self) -> Models:
        """The registry of models: the cloud's own.

        Where ``"models"`` is in `limits`, this raises `UnsupportedError` with the reason.
        """
        ...

    def identity(self) -> str:
        """Return who we are, e.g. account and region; raise `CredentialsError` if unknown."""
        ...

    def caller(self) -> str:
        """Return our identity as the target itself knows it, for what is recorded.

        An ARN, an account's address, an object id; never what the environment says. A
        `CredentialsError` if the target does not know our credentials.
        """
        ...

    def endpoints(self) -> Sequence[str]:
        """Name the endpoints that carry our tags, in order."""
        ...

    def upload(self, bundle: Bundle) -> str:
        """Store the bundle under its digest and return its URI; storing it twice is one store."""
        ...

    def deploy(self, release: Release) -> None:
        """Start running `release`. The first on an endpoint gets all traffic, later ones none.

        The same release again is success, with any number of instances, and starts one again that
        failed, where the target can; a `ConflictError` if its name runs other settings.
        """
        ...

    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        """Let a ready deployment's number of instances follow its load; None ends that.

        The same again is success. Where a deployment has its scaling from `deploy` on, only that
        is; another is a `ConflictError`. `undeploy` and `delete` take the scaling away, too.
        """
        ...

    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        """Let a ready deployment without scaling have `count` instances; the same is success.

        Where ``"scaling again"`` is in `limits`, another number is a `ConflictError`: there it
        is part of what makes a deployment another one.
        """
        ...

    def describe(self, endpoint: str) -> Endpoint:
        """Return what is there now; raise `NotFoundError` if nothing is."""
        ...

    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        """Split traffic among deployments, in whole percent that sum to 100."""
        ...

    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        """Copy `percent` of the requests to a deployment and drop its answers; 0 ends that.

        A `ConflictError` if it has traffic. Where ``"shadow"`` is in `limits`, this raises
        `UnsupportedError` with the reason.
        """
        ...

    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        """Send one JSON request to the endpoint, or to one deployment behind it.

        A `tridock.deploy.target.probes.Timed` answer where it took further requests to get it.
        Raises `InvokeError` where the model server answers an error.
        """
        ...

    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        """Return the last `lines` lines that the deployment's model server wrote, or none.

        Also for a deployment that failed or is gone, as long as the cloud keeps them.
        """
        ...

    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics | None:
        """Return what was measured of a deployment's live requests since a moment with time zone.

        None where the target does not tell, or not yet. Requests that name their deployment, as
        the judge's do, are left out where the target can tell them apart.
        """
        ...

    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        """Return live requests and copies one by one, oldest first, as far as they are kept.

        None of them where the target keeps none.
        """
        ...

    def undeploy(self, endpoint: str, deployment: str) -> None:
        """Stop one deployment. Absent is success.

        A `ConflictError` if it has traffic, or gets copies.
        """
        ...

    def delete(self, endpoint: str) -> None:
        """Start removing the endpoint and all deployments behind it. Absent is success."""
        ...

    def purge(self, endpoint: str) -> None:
        """Remove what is stored for the endpoint and no deployment of it uses any more.

        Models, configurations, bundles; all of it once the endpoint is gone.
        """
        ...

    def orphans(self) -> Sequence[Orphan]:
        """Return resources with our marks that serve nothing, of any caller.

        In the order in which it can go: what is used by one thing follows it. Nothing that is
        deployed, with traffic or without, no version of a model in the registry, no note, and
        nothing of others.
        """
        ...

    def discard(self, orphan: Orphan) -> None:
        """Delete a leftover, after a look whether it is one still. Absent is success.

        A `ConflictError` if something uses it by now.
        """
        ...

    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        """Return ready-to-paste calls that send `body`, by the name of the client."""
        ...


def deployment_name(version: str, digest: str, settings: Mapping[str, str] | None = None) -> str:
    """Name a deployment by its content: ``v<version>-<8 of the digest>`` in ``[a-z0-9-]``.

    With settings of its own, four digits of them follow. At most 29 characters, without two
    hyphens in a row: Azure takes 32 for a deployment, and SageMaker 63 for a model, whose name
    holds the endpoint's too.

    Parameters
    ----------
    settings : Mapping of str to str, optional
        What makes it another one than the same bundle with the defaults: a size, an image.
    """
    parts, longest = [digest[:8]], 19
    if settings:
        content = json.dumps(dict(settings), sort_keys=True)
        parts.append(hashlib.sha256(content.encode()).hexdigest()[:4])
        longest -= 5
    words = re.findall(r"[a-z0-9]+", version.lower())
    return "-".join(["v" + "-".join(words)[:longest].strip("-"), *parts])
