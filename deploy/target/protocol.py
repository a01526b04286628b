"""The ports of a target: the verbs that a place which runs releases has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tridock.deploy.target.metrics import Answer, Metrics
    from tridock.deploy.target.model_registry import Models
    from tridock.deploy.target.notes import Notes
    from tridock.deploy.target.records import Endpoint, Orphan, Release, Scaling
    from tridock.inference.bundle.bundle import Bundle


class Deployments(Protocol):
    """The releases that run behind endpoints."""

    def endpoints(self) -> Sequence[str]:
        """Name the endpoints that carry our tags, in order."""
        ...

    def describe(self, endpoint: str) -> Endpoint:
        """Return what is there now; raise `NotFoundError` if nothing is."""
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


class Traffic(Protocol):
    """Requests to an endpoint, and how its deployments share them."""

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

    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        """Return ready-to-paste calls that send `body`, by the name of the client."""
        ...


class Observability(Protocol):
    """Measurements and logs of deployments."""

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


class Cleanup(Protocol):
    """Resources with our marks that serve nothing."""

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


class Target(Deployments, Traffic, Observability, Cleanup, Protocol):
    """A place that can run releases.

    Adapters translate and do no more: no waiting, no retrying, no deciding. Each verb makes its
    calls, maps the answer to a record of `deploy.target.records` and the failure to an error of
    `deploy.target.errors`, and returns.
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
