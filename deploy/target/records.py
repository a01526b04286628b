"""Records that targets take and return: releases, deployments, endpoints, orphans."""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


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


@dataclass(frozen=True)
class Orphan:
    """One thing that bears our marks and serves nothing.

    Attributes
    ----------
    kind : str
        What it is, in the cloud's own words, e.g. ``"endpoint configuration"``.
    name : str
        Unique among the target's things of this kind.
    endpoint : str
        Whose it was: its lock is held while this is deleted. Empty where it may become anybody's,
        as a stored bundle may, which any endpoint can be given next.
    created : datetime or None
        With a time zone. None if the cloud does not say.
    reason : str
        Why it is left over.
    """

    kind: str
    name: str
    endpoint: str = ""
    created: datetime | None = None
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


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
