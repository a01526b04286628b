"""The verbs of `tridock.deploy.target.protocol.Target` as calls of azure-ai-ml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from azure.ai.ml.entities import ManagedOnlineEndpoint
from typing_extensions import override

from tridock.deploy.azure import metrics, translation
from tridock.deploy.azure.account import Account
from tridock.deploy.azure.autoscale import Autoscale
from tridock.deploy.azure.bundles import BlobNotes, Bundles
from tridock.deploy.azure.collected import Collected, percent_of
from tridock.deploy.azure.errors import translated
from tridock.deploy.azure.models import AzureModels
from tridock.deploy.azure.orphans import Remains
from tridock.deploy.azure.scoring import Scoring
from tridock.deploy.azure.snippets import snippets
from tridock.deploy.azure.store import Store
from tridock.deploy.azure.translation import FIRST, TAG
from tridock.deploy.target.errors import ConflictError, NotFoundError
from tridock.deploy.target.metrics import Answer, Metrics, with_log
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Endpoint, Orphan, Release, Scaling
from tridock.inference.bundle.bundle import Bundle

LIMITS = {
    "first traffic": "Azure gives traffic only to a deployment that is ready: the endpoint's tag "
    f"{FIRST} names the first one, and the next command that describes the endpoint gives it",
    "scaling by concurrency": "Azure Machine Learning measures no requests in flight",
    "scaling to zero": "a managed deployment keeps at least one instance",
    "failure": "Azure keeps no reason on a failed deployment: the log has it",
    "metrics": "Azure Monitor shows a minute some minutes after it is over, and does not tell who "
    "named a deployment: requests of this process are left out by their number, others' are not",
    "answers": "Azure ML's data collector keeps answers where azure.collect says how many: each by "
    "the x-request-id that the client was answered with, without status and milliseconds, those to "
    "the judge's own requests among them",
    "logs": "Azure keeps no logs of a deployment that is deleted",
}

#: Of the log, read for what the model server says of its predictions.
LOG_LINES = 1000

#: Seconds in which the service makes an endpoint; it takes about one minute.
ENDPOINT_TIMEOUT = 600.0


@dataclass(frozen=True)
class AzureTarget(Target):
    """Managed online endpoints of one workspace.

    Attributes
    ----------
    collect : int
        Percent of the answers that new deployments keep.
    """

    account: Account
    store: Store
    scoring: Scoring
    collect: int = 0
    name: ClassVar[str] = "azure"
    limits: ClassVar[Mapping[str, str]] = LIMITS

    @classmethod
    def connect(cls, settings: Mapping[str, str]) -> AzureTarget:
        """Return the target that `settings` describe; nothing is called yet."""
        account = Account.open(settings)
        collect = percent_of(settings["collect"])
        return cls(account, Store(account), Scoring(account), collect)

    @property
    @override
    def notes(self) -> BlobNotes:
        return BlobNotes(Bundles(self.account))

    @property
    @override
    def models(self) -> AzureModels:
        """Azure ML's registry."""
        return AzureModels(self.account)

    @override
    def identity(self) -> str:
        return self.account.identity()

    @override
    def caller(self) -> str:
        return self.account.caller()

    @override
    def endpoints(self) -> Sequence[str]:
        with translated("onlineEndpoints:list"):
            listed = list(self._endpoints.list())
        return tuple(sorted(one.name for one in listed if TAG in (one.tags or {})))

    @override
    def upload(self, bundle: Bundle) -> str:
        return self.store.upload(bundle)

    @override
    def deploy(self, release: Release) -> None:
        # It waits for a new endpoint: no call works before.
        endpoint = self._find(release.endpoint) or self._make(release)
        standing = {one.name: one for one in self._deployments_of(release.endpoint)}
        deployed = standing.get(release.name)
        if deployed is None:
            self.store.mark(release.artifact, release.endpoint)
            if not standing and endpoint.tags.get(FIRST) != release.name:
                self._put(endpoint, first=release.name).result(ENDPOINT_TIMEOUT)
            self._begin(release)
        elif not translation.is_same(deployed, release, self.collect):
            raise ConflictError(
                f"{release.endpoint}/{release.name} runs with other settings: {deployed.tags}"
            )

    @override
    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        described = self._need(endpoint)
        if deployment not in {one.name for one in self._deployments_of(endpoint)}:
            raise NotFoundError(f"{endpoint} has no deployment {deployment}")
        if scaling:
            self._autoscale.put(endpoint, deployment, scaling, described.location)
        else:
            self._autoscale.end(endpoint, deployment.__eq__)

    @override
    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        """By Resource Manager: azure-ai-ml would send all it read."""
        deployments = {one.name: one for one in self._deployments_of(endpoint)}
        if deployment not in deployments:
            raise NotFoundError(f"{endpoint} has no deployment {deployment}")
        if int(deployments[deployment].instance_count or 1) != count:
            path = f"/onlineEndpoints/{endpoint}/deployments/{deployment}"
            self.account.call("PATCH", path, {"sku": {"name": "Default", "capacity": count}})

    @override
    def describe(self, endpoint: str) -> Endpoint:
        with translated("onlineEndpoints:get"):
            described = self._endpoints.get(endpoint)
        deployments = self._deployments_of(endpoint)
        if translation.is_waiting(described, deployments):
            described.traffic = {described.tags[FIRST]: 100}
            self._put(described)
            with translated("onlineEndpoints:get"):
                described = self._endpoints.get(endpoint)
        record = translation.endpoint_record(described, deployments)
        scalings = self._autoscale.of(endpoint)
        known = record.deployments.items()
        scaled = {name: replace(one, scaling=scalings.get(name)) for name, one in known}
        return replace(record, deployments=scaled)

    @override
    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        described = self._need(endpoint)
        absent = set(traffic) - {one.name for one in self._deployments_of(endpoint)}
        if absent:
            raise NotFoundError(f"{endpoint} has no deployment {', '.join(sorted(absent))}")
        described.traffic = dict(traffic)
        copied = (described.mirror_traffic or {}).items()
        described.mirror_traffic = {name: share for name, share in copied if not traffic.get(name)}
        self._put(described)

    @override
    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        """Mirrored traffic, of which Azure takes at most 50 percent."""
        described = self._need(endpoint)
        if deployment not in {one.name for one in self._deployments_of(endpoint)}:
            raise NotFoundError(f"{endpoint} has no deployment {deployment}")
        if (described.traffic or {}).get(deployment):
            raise ConflictError(f"{endpoint}/{deployment} has traffic: it cannot get copies")
        wanted = {deployment: percent} if percent else {}
        if {
            name: share for name, share in (described.mirror_traffic or {}).items() if share
        } != wanted:
            described.mirror_traffic = wanted
            self._put(described)

    @override
    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        return self.scoring.invoke(endpoint, body, deployment)

    def rotate(self, endpoint: str, *, which: str) -> None:
        """Replace the ``"primary"`` or ``"secondary"`` key; clients with the other go on.

        By Resource Manager: azure-ai-ml's call sends the present key.
        """
        body = {"keyType": which.capitalize()}
        self.account.call("POST", f"/onlineEndpoints/{endpoint}/regenerateKeys", body)
        self.scoring.known.pop(endpoint, None)

    @override
    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics | None:
        """And `limits`: whole minutes, some minutes after they are over."""
        whose = metrics.Measured(endpoint, deployment, self.scoring.own)
        with suppress(NotFoundError):
            measured = metrics.of_endpoint(self.account, whose, since)
            return with_log(measured, self.logs(endpoint, deployment, lines=LOG_LINES), since)
        return None

    @override
    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        """And `limits`: those that bear predictions."""
        return self._collected.answers(endpoint, deployment, since)

    @override
    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        with suppress(NotFoundError), translated("onlineDeployments:getLogs"):
            text = self._deployments.get_logs(deployment, endpoint, lines)
            return tuple(text.splitlines()[-lines:])
        return ()

    @override
    def undeploy(self, endpoint: str, deployment: str) -> None:
        described = self._find(endpoint)
        if described is None or deployment not in {
            one.name for one in self._deployments_of(endpoint)
        }:
            return
        if (described.traffic or {}).get(deployment):
            raise ConflictError(
                f"{endpoint}/{deployment} has {described.traffic[deployment]} % of the traffic"
            )
        if (described.mirror_traffic or {}).get(deployment):
            raise ConflictError(f"{endpoint}/{deployment} gets mirrored traffic: end that first")
        self._autoscale.end(endpoint, deployment.__eq__)  # settings outlive what they scale
        with suppress(NotFoundError), translated("onlineDeployments:delete"):
            self._deployments.begin_delete(deployment, endpoint)

    @override
    def delete(self, endpoint: str) -> None:
        self.scoring.known.pop(endpoint, None)
        self._autoscale.end(endpoint, lambda deployment: True)
        if self._find(endpoint) is not None:
            with suppress(NotFoundError), translated("onlineEndpoints:delete"):
                self._endpoints.begin_delete(endpoint)

    @override
    def purge(self, endpoint: str) -> None:
        there = self._find(endpoint) is not None
        used = self._deployments_of(endpoint) if there else []
        self.store.release(endpoint, {one.tags.get("digest", "") for one in used})
        self._collected.release(endpoint, {one.name for one in used})
        if not self.endpoints():
            with suppress(NotFoundError):
                for one in self.account.call("GET", f"/environments/{TAG}/versions")["value"]:
                    self.account.call("DELETE", f"/environments/{TAG}/versions/{one['name']}")

    @override
    def orphans(self) -> Sequence[Orphan]:
        return tuple(Remains(self.account, self.store).found())

    @override
    def discard(self, orphan: Orphan) -> None:
        Remains(self.account, self.store).discard(orphan)

    @override
    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        return snippets(self.account, self.scoring.address(endpoint).url, endpoint, body)

    @property
    def _autoscale(self) -> Autoscale:
        return Autoscale(self.account)

    @property
    def _collected(self) -> Collected:
        return Collected(Bundles(self.account))

    @property
    def _endpoints(self) -> Any:
        return self.account.client.online_endpoints

    @property
    def _deployments(self) -> Any:
        return self.account.client.online_deployments

    def _find(self, endpoint: str) -> Any:
        with suppress(NotFoundError):
            return self._need(endpoint)
        return None

    def _need(self, endpoint: str) -> Any:
        with translated("onlineEndpoints:get"):
            return self._endpoints.get(endpoint)

    def _deployments_of(self, endpoint: str) -> list[Any]:
        with translated("onlineDeployments:list"):
            return list(self._deployments.list(endpoint))

    def _make(self, release: Release) -> Any:
        wanted = ManagedOnlineEndpoint(
            name=release.endpoint,
            auth_mode="key",
            tags={TAG: "1", FIRST: release.name},
            identity=translation.identity(self.account.server),
        )
        with translated("onlineEndpoints:createOrUpdate"):
            return self._endpoints.begin_create_or_update(wanted).result(ENDPOINT_TIMEOUT)

    def _put(self, endpoint: Any, *, first: str = "") -> Any:
        """Change an endpoint; `first` notes which deployment gets the traffic once it is ready."""
        tags = {name: tag for name, tag in (endpoint.tags or {}).items() if name != FIRST}
        endpoint.tags = {**tags, FIRST: first} if first else tags
        with translated("onlineEndpoints:createOrUpdate"):
            return self._endpoints.begin_create_or_update(endpoint)

    def _begin(self, release: Release) -> None:
        wanted = translation.environment(release.image)
        with translated("environments:createOrUpdate"):
            self.account.client.environments.create_or_update(wanted)
        name = f"azureml:{wanted.name}:{wanted.version}"
        with translated("onlineDeployments:createOrUpdate"):
            self._deployments.begin_create_or_update(
                translation.deployment_entity(release, name, self.collect),
                skip_script_validation=True,
            )
