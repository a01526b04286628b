"""The verbs of `tridock.deploy.target.protocol.Target` as calls of azure-ai-ml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from azure.ai.ml.entities import ManagedOnlineEndpoint

from tridock.deploy.azure import metrics, translation
from tridock.deploy.azure.account import Account
from tridock.deploy.azure.autoscale import Autoscale
from tridock.deploy.azure.bundles import Bundles
from tridock.deploy.azure.collected import Collected, percent_of
from tridock.deploy.azure.errors import translated
from tridock.deploy.azure.models import AzureModels
from tridock.deploy.azure.notes import BlobNotes
from tridock.deploy.azure.orphans import Remains
from tridock.deploy.azure.scoring import Scoring
from tridock.deploy.azure.snippets import snippets
from tridock.deploy.azure.store import Store
from tridock.deploy.azure.translation import FIRST, TAG
from tridock.deploy.target.errors import ConflictError, NotFoundError
from tridock.deploy.target.metrics import Answer, Metrics, with_log
from tridock.deploy.target.orphans import Orphan
from tridock.deploy.target.protocol import Endpoint, Release, Scaling
from tridock.inference.bundle.bundle import Bundle

LIMITS = {
    "first traffic": "Azure gives traffic only to a deployment that is ready: the endpoint's tag "
    f"{FIRST} names the first one, and whoever describes the endpoint then gives it",
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
class AzureTarget:
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
    name: str = "azure"

    @classmethod
    def connect(cls, settings: Mapping[str, str]) -> AzureTarget:
        """Return the target that `settings` describe; nothing is called yet."""
        account = Account.open(settings)
        collect = percent_of(settings["collect"])
        return cls(account, Store(account), Scoring(account), collect)

    @property
    def limits(self) -> Mapping[str, str]:
        """See `Target.limits`."""
        return LIMITS

    @property
    def notes(self) -> BlobNotes:
        """See `Target.notes`."""
        return BlobNotes(Bundles(self.account))

    @property
    def models(self) -> AzureModels:
        """See `Target.models`: Azure ML's registry."""
        return AzureModels(self.account)

    def identity(self) -> str:
        """See `Target.identity`."""
        return self.account.identity()

    def caller(self) -> str:
        """See `Target.caller`."""
        return self.account.caller()

    def endpoints(self) -> Sequence[str]:
        """See `Target.endpoints`."""
        with translated("onlineEndpoints:list"):
            found = list(self._endpoints.list())
        return tuple(sorted(one.name for one in found if TAG in (one.tags or {})))

    def upload(self, bundle: Bundle) -> str:
        """See `Target.upload`."""
        return self.store.upload(bundle)

    def deploy(self, release: Release) -> None:
        """See `Target.deploy`. Waits for a new endpoint: no call works before."""
        endpoint = self._find(release.endpoint) or self._make(release)
        standing = {one.name: one for one in self._deployments_of(release.endpoint)}
        found = standing.get(release.name)
        if found is None:
            self.store.mark(release.artifact, release.endpoint)
            if not standing and endpoint.tags.get(FIRST) != release.name:
                self._put(endpoint, first=release.name).result(ENDPOINT_TIMEOUT)
            self._begin(release)
        elif not translation.is_same(found, release, self.collect):
            raise ConflictError(
                f"{release.endpoint}/{release.name} runs with other settings: {found.tags}"
            )

    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        """See `Target.scale`."""
        found = self._need(endpoint)
        if deployment not in {one.name for one in self._deployments_of(endpoint)}:
            raise NotFoundError(f"{endpoint} has no deployment {deployment}")
        if scaling:
            self._autoscale.put(endpoint, deployment, scaling, found.location)
        else:
            self._autoscale.end(endpoint, deployment.__eq__)

    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        """See `Target.resize`. By Resource Manager: azure-ai-ml would send all it read."""
        found = {one.name: one for one in self._deployments_of(endpoint)}
        if deployment not in found:
            raise NotFoundError(f"{endpoint} has no deployment {deployment}")
        if int(found[deployment].instance_count or 1) != count:
            path = f"/onlineEndpoints/{endpoint}/deployments/{deployment}"
            self.account.call("PATCH", path, {"sku": {"name": "Default", "capacity": count}})

    def describe(self, endpoint: str) -> Endpoint:
        """See `Target.describe`."""
        with translated("onlineEndpoints:get"):
            found = self._endpoints.get(endpoint)
        deployments = self._deployments_of(endpoint)
        if translation.is_waiting(found, deployments):
            found.traffic = {found.tags[FIRST]: 100}
            self._put(found)
            with translated("onlineEndpoints:get"):
                found = self._endpoints.get(endpoint)
        record = translation.endpoint_record(found, deployments)
        scalings = self._autoscale.of(endpoint)
        known = record.deployments.items()
        scaled = {name: replace(one, scaling=scalings.get(name)) for name, one in known}
        return replace(record, deployments=scaled)

    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        """See `Target.set_traffic`."""
        found = self._need(endpoint)
        absent = set(traffic) - {one.name for one in self._deployments_of(endpoint)}
        if absent:
            raise NotFoundError(f"{endpoint} has no deployment {', '.join(sorted(absent))}")
        found.traffic = dict(traffic)
        copied = (found.mirror_traffic or {}).items()
        found.mirror_traffic = {name: share for name, share in copied if not traffic.get(name)}
        self._put(found)

    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        """See `Target.shadow`: mirrored traffic, of which Azure takes at most 50 percent."""
        found = self._need(endpoint)
        if deployment not in {one.name for one in self._deployments_of(endpoint)}:
            raise NotFoundError(f"{endpoint} has no deployment {deployment}")
        if (found.traffic or {}).get(deployment):
            raise ConflictError(f"{endpoint}/{deployment} has traffic: it cannot get copies")
        wanted = {deployment: percent} if percent else {}
        if {name: share for name, share in (found.mirror_traffic or {}).items() if share} != wanted:
            found.mirror_traffic = wanted
            self._put(found)

    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        """See `Target.invoke`."""
        return self.scoring.invoke(endpoint, body, deployment)

    def rotate(self, endpoint: str, *, which: str) -> None:
        """Replace the ``"primary"`` or ``"secondary"`` key; clients with the other go on.

        By Resource Manager: azure-ai-ml's call sends the present key.
        """
        body = {"keyType": which.capitalize()}
        self.account.call("POST", f"/onlineEndpoints/{endpoint}/regenerateKeys", body)
        self.scoring.known.pop(endpoint, None)

    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics | None:
        """See `Target.metrics`, and `limits`: whole minutes, some minutes after they are over."""
        whose = metrics.Measured(endpoint, deployment, self.scoring.own)
        with suppress(NotFoundError):
            found = metrics.of_endpoint(self.account, whose, since)
            return with_log(found, self.logs(endpoint, deployment, lines=LOG_LINES), since)
        return None

    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        """See `Target.answers`, and `limits`: those that bear predictions."""
        return self._collected.answers(endpoint, deployment, since)

    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        """See `Target.logs`."""
        with suppress(NotFoundError), translated("onlineDeployments:getLogs"):
            text = self._deployments.get_logs(deployment, endpoint, lines)
            return tuple(text.splitlines()[-lines:])
        return ()

    def undeploy(self, endpoint: str, deployment: str) -> None:
        """See `Target.undeploy`."""
        found = self._find(endpoint)
        if found is None or deployment not in {one.name for one in self._deployments_of(endpoint)}:
            return
        if (found.traffic or {}).get(deployment):
            raise ConflictError(
                f"{endpoint}/{deployment} has {found.traffic[deployment]} % of the traffic"
            )
        if (found.mirror_traffic or {}).get(deployment):
            raise ConflictError(f"{endpoint}/{deployment} gets mirrored traffic: end that first")
        self._autoscale.end(endpoint, deployment.__eq__)  # settings outlive what they scale
        with suppress(NotFoundError), translated("onlineDeployments:delete"):
            self._deployments.begin_delete(deployment, endpoint)

    def delete(self, endpoint: str) -> None:
        """See `Target.delete`."""
        self.scoring.known.pop(endpoint, None)
        self._autoscale.end(endpoint, lambda deployment: True)
        if self._find(endpoint) is not None:
            with suppress(NotFoundError), translated("onlineEndpoints:delete"):
                self._endpoints.begin_delete(endpoint)

    def purge(self, endpoint: str) -> None:
        """See `Target.purge`."""
        there = self._find(endpoint) is not None
        used = self._deployments_of(endpoint) if there else []
        self.store.release(endpoint, {one.tags.get("digest", "") for one in used})
        self._collected.release(endpoint, {one.name for one in used})
        if not self.endpoints():
            with suppress(NotFoundError):
                for one in self.account.call("GET", f"/environments/{TAG}/versions")["value"]:
                    self.account.call("DELETE", f"/environments/{TAG}/versions/{one['name']}")

    def orphans(self) -> Sequence[Orphan]:
        """See `Target.orphans`."""
        return tuple(Remains(self.account, self.store).found())

    def discard(self, orphan: Orphan) -> None:
        """See `Target.discard`."""
        Remains(self.account, self.store).discard(orphan)

    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        """See `Target.snippets`."""
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
        tags = {name: one for name, one in (endpoint.tags or {}).items() if name != FIRST}
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
