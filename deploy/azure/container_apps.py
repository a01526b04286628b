"""The verbs of `tridock.deploy.target.protocol.Target` as Container Apps calls.

Endpoint = app, deployment = active revision, traffic = weights of revisions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from azure.mgmt.appcontainers import ContainerAppsAPIClient
from typing_extensions import override

from tridock.deploy.azure import apps, metrics
from tridock.deploy.azure.account import ONCE, Account
from tridock.deploy.azure.bundles import Bundles
from tridock.deploy.azure.containers_target import ContainersTarget
from tridock.deploy.azure.errors import refused, translated
from tridock.deploy.azure.snippets import plain_calls
from tridock.deploy.target.errors import (
    ConflictError,
    NotFoundError,
    before_sending,
)
from tridock.deploy.target.hosts import trusted
from tridock.deploy.target.metrics import Metrics, Own, with_log
from tridock.deploy.target.records import Endpoint, Release, Scaling
from tridock.inference.cloud_hosts import AZURE_LOGS

LIMITS = {
    "shadow": "Container Apps has no mirrored traffic",
    "access": "an app's address asks for no key: restrict who may call by the environment's "
    "network, the ingress's IP rules, or authentication in front of the app",
    "undeploy": "Container Apps keeps inactive revisions, which run nothing and cost nothing, and "
    "removes the oldest above 100",
    "scaling by requests": "Container Apps follows the requests in flight",
    "scaling by cpu": "only rules for requests in flight are made here: one for CPUs cannot scale "
    "to zero",
    "scaling again": "a revision has its scaling from the beginning, and cannot be changed",
    "instance": "a machine size is taken as its CPUs, at most 4, with 2 GiB of memory each",
    "latency": "Container Apps measures response times of a whole app only, and no percentiles: "
    "the judge's own requests are timed",
    "metrics": "Azure Monitor shows a minute some minutes after it is over, and does not say who "
    "asked a revision by its own name: requests of this process are left out by their number, "
    "others' are not",
    "logs": "the log stream ends with the revision; Log Analytics keeps more, if the environment "
    "sends it there",
}
ROUTE = "/predict"

#: Of the log, read for what the model server says of its predictions: Container Apps gives 300.
LOG_LINES = 300


@dataclass(frozen=True)
class ContainerAppsTarget(ContainersTarget):
    """Apps of one managed environment, their bundles in the workspace's storage.

    Attributes
    ----------
    environment : str
        Name of the managed environment, in the account's group.
    own : Own
        Requests that named their deployment.
    """

    environment: str
    limits: ClassVar[Mapping[str, str]] = LIMITS
    own: Own = field(default_factory=Own)

    @classmethod
    def connect(cls, settings: Mapping[str, str]) -> ContainerAppsTarget:
        """Return the target that `settings` describe; nothing is called yet."""
        account = Account.open(settings)
        client = ContainerAppsAPIClient(account.credential, account.subscription, **ONCE)
        return cls(account, Bundles(account), client, settings["environment"])

    @override
    def identity(self) -> str:
        return f"Container Apps, {self.account.identity()}"

    @override
    def endpoints(self) -> Sequence[str]:
        with translated("containerApps:list"):
            listed = list(self.client.container_apps.list_by_resource_group(self.account.group))
        return tuple(sorted(one.name for one in listed if apps.TAG in (one.tags or {})))

    @override
    def deploy(self, release: Release) -> None:
        revision = apps.revision_name(release.endpoint, release.name)
        app = self._find(release.endpoint)
        standing = {one.name: one for one in self._revisions(release.endpoint)} if app else {}
        if revision in standing:
            self._refuse_other(standing[revision], release)
            if standing[revision].properties.active:
                return
        self.bundles.mark(release.digest, revision)
        if revision in standing:
            self._call("activate_revision", release.endpoint, revision)
        elif app is None:
            self._create(release)
        else:
            template = apps.template(release, self.account.server)
            self._update(release.endpoint, {"template": template})

    @override
    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        # A revision has its scaling from the beginning.
        standing = apps.scaling_of(self._revision(endpoint, deployment).properties.template)
        if standing != scaling:
            raise ConflictError(
                f"{endpoint}/{deployment} scales {standing}, not {scaling}, and a revision cannot "
                "be changed: release it anew"
            )

    @override
    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        # A revision has its number from the beginning.
        scale = self._revision(endpoint, deployment).properties.template.scale
        if (scale.min_replicas, scale.max_replicas) != (count, count):
            raise ConflictError(
                f"{endpoint}/{deployment} has {scale.min_replicas} to {scale.max_replicas} "
                f"replicas, not {count}, and a revision cannot be changed: release it anew"
            )

    @override
    def describe(self, endpoint: str) -> Endpoint:
        app = self._need(endpoint)
        active = [revision for revision in self._revisions(endpoint) if revision.properties.active]
        return apps.endpoint_record(app, active)

    @override
    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        absent = sorted(set(traffic) - set(self.describe(endpoint).deployments))
        if absent:
            raise NotFoundError(f"{endpoint} has no deployment {', '.join(absent)}")
        weights = [
            {"revisionName": apps.revision_name(endpoint, name), "weight": share}
            for name, share in traffic.items()
            if share
        ]
        self._update(endpoint, {"configuration": {"ingress": {"traffic": weights}}})

    @override
    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        # A revision has an address of its own.
        with before_sending():
            if deployment is None:
                host = self._need(endpoint).properties.configuration.ingress.fqdn
            else:
                host = self._revision(endpoint, deployment).properties.fqdn
        url = f"https://{host}{ROUTE}"
        with self.own.noting(endpoint, deployment):
            return self._ask(url, body, operation="containerApps:invoke")

    @override
    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics | None:
        """And `limits`: whole minutes, some minutes after they are over."""
        revision = apps.revision_name(endpoint, deployment)
        whose = metrics.Measured(endpoint, deployment, self.own)
        with suppress(NotFoundError):
            measured = metrics.of_app(self.account, whose, revision, since)
            return with_log(measured, self.logs(endpoint, deployment, lines=LOG_LINES), since)
        return None

    @override
    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        """And `limits`."""
        revision = apps.revision_name(endpoint, deployment)
        with suppress(NotFoundError):
            place = self.account.group, endpoint
            with translated("containerAppsRevisionReplicas:list"):
                replicas = self.client.container_apps_revision_replicas.list_replicas(
                    *place, revision
                )
                streams = [
                    container.log_stream_endpoint
                    for replica in replicas.value
                    for container in replica.properties.containers
                ]
                token = self.client.container_apps.get_auth_token(*place).properties.token
            log_lines = [line for url in streams for line in self._stream(url, token, lines)]
            return tuple(log_lines[-lines:])
        return ()

    @override
    def undeploy(self, endpoint: str, deployment: str) -> None:
        """And `limits`."""
        with suppress(NotFoundError):
            current = self.describe(endpoint)
            if deployment not in current.deployments:
                return
            if current.traffic.get(deployment):
                share = current.traffic[deployment]
                raise ConflictError(f"{endpoint}/{deployment} has {share} % of the traffic")
            revision = apps.revision_name(endpoint, deployment)
            self._call("deactivate_revision", endpoint, revision)

    @override
    def delete(self, endpoint: str) -> None:
        app = self._find(endpoint)
        if app and str(app.properties.provisioning_state).lower() != "deleting":
            with suppress(NotFoundError), translated("containerApps:delete"):
                place = self.account.group, endpoint
                self.client.container_apps.begin_delete(*place, polling=False)

    @override
    def purge(self, endpoint: str) -> None:
        there = self._find(endpoint) is not None
        revisions = self._revisions(endpoint) if there else []
        used = {revision.name for revision in revisions if revision.properties.active}
        self.bundles.release(apps.revision_name(endpoint, ""), used)

    @override
    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        return plain_calls(self.describe(endpoint).url + ROUTE, body)

    def _need(self, endpoint: str) -> Any:
        with translated("containerApps:get"):
            return self.client.container_apps.get(self.account.group, endpoint)

    def _revisions(self, endpoint: str) -> list[Any]:
        with translated("containerAppsRevisions:list"):
            place = self.account.group, endpoint
            return list(self.client.container_apps_revisions.list_revisions(*place))

    def _revision(self, endpoint: str, deployment: str) -> Any:
        place = self.account.group, endpoint, apps.revision_name(endpoint, deployment)
        with translated("containerAppsRevisions:get"):
            return self.client.container_apps_revisions.get_revision(*place)

    def _create(self, release: Release) -> None:
        place = self.account.group, self.environment
        with translated("managedEnvironments:get"):
            stands = self.client.managed_environments.get(*place)
        wanted = apps.app(self.account, release, (stands.id, stands.location))
        with translated("containerApps:createOrUpdate"):
            self.client.container_apps.begin_create_or_update(
                self.account.group, release.endpoint, wanted, polling=False
            )

    def _update(self, endpoint: str, properties: Mapping[str, Any]) -> None:
        with translated("containerApps:update"):
            self.client.container_apps.begin_update(
                self.account.group, endpoint, {"properties": properties}, polling=False
            )

    def _call(self, verb: str, endpoint: str, revision: str) -> None:
        with translated(f"containerAppsRevisions:{verb.partition('_')[0]}"):
            call = getattr(self.client.container_apps_revisions, verb)
            call(self.account.group, endpoint, revision)

    def _stream(self, url: str, token: str, lines: int) -> list[str]:
        """Read the end of one container's log: JSON lines with a ``Log`` each."""
        with translated("logstream"):
            answer = self.account.http.get(
                trusted(url, AZURE_LOGS, operation="logstream"),
                params={"tailLines": str(lines), "follow": "false", "output": "json"},
                headers={"Authorization": f"Bearer {token}"},
            )
        if answer.is_error:
            raise refused(
                answer.status_code, answer.text, operation="logstream", headers=answer.headers
            )
        return [str(json.loads(line)["Log"]) for line in answer.text.splitlines() if line]

    def _refuse_other(self, revision: Any, release: Release) -> None:
        other = apps.differences(revision, release, self.account.server)
        if other:
            raise ConflictError(
                f"{release.endpoint}/{release.name} runs with {', '.join(other)}: package the "
                "bundle under another version, which makes another revision"
            )
