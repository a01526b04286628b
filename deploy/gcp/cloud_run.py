"""The verbs of `tridock.deploy.target.protocol.Target` as Cloud Run calls.

Endpoint = service, deployment = tagged revision, traffic = traffic targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from google.cloud import run_v2
from google.oauth2 import id_token
from typing_extensions import override

from tridock.deploy.gcp import names, observability, snippets
from tridock.deploy.gcp.account import TIMEOUT_SECONDS
from tridock.deploy.gcp.errors import translated
from tridock.deploy.gcp.google_target import GoogleTarget
from tridock.deploy.gcp.orphans import CloudRunRemains
from tridock.deploy.gcp.revisions import Look, revision_name, target, template
from tridock.deploy.target.errors import (
    ConflictError,
    InvokeError,
    NotFoundError,
    before_sending,
)
from tridock.deploy.target.hosts import trusted
from tridock.deploy.target.metrics import Metrics
from tridock.deploy.target.records import Endpoint, Orphan, Release, Scaling
from tridock.inference.cloud_hosts import GOOGLE_RUN

LIMITS = {
    "shadow": "Cloud Run has no mirrored traffic",
    "undeploy": "Cloud Run keeps the latest revision of a service: without traffic and tag it "
    "runs nothing and costs nothing",
    "scaling by requests": "Cloud Run follows the requests in flight, and its CPUs by itself",
    "scaling by cpu": "Cloud Run holds its CPUs at 60 % by itself, and takes no other target",
    "scaling again": "a revision has its scaling from the beginning, and cannot be changed",
    "count": "Cloud Run does not tell how many instances run",
    "instance": "the machine type's last number is taken as CPUs, with 2 GiB of memory each",
    "live requests": "Cloud Monitoring keeps minutes, and shows one up to three minutes after it",
    "logs": "Cloud Logging keeps the lines of a deployment after it: its log bucket says how long",
}
ROUTE = "/predict"


@dataclass(frozen=True)
class CloudRunTarget(GoogleTarget):
    """Cloud Run of one project and location; revisions mount the bucket for bundles."""

    limits: ClassVar[Mapping[str, str]] = LIMITS

    @override
    def identity(self) -> str:
        return f"Cloud Run, {self.account.identity()}"

    @override
    def endpoints(self) -> Sequence[str]:
        with translated("run:ListServices"):
            services = list(
                self.account.services.list_services(
                    parent=self.account.parent, retry=None, timeout=TIMEOUT_SECONDS
                )
            )
        ours = [service for service in services if names.ENDPOINT in service.labels]
        return sorted(each.name.rpartition("/")[2] for each in ours)

    @override
    def deploy(self, release: Release) -> None:
        look = self._look(release.endpoint)
        if look and release.name in look.revisions:
            self._refuse_other(look, release)
            return
        self.store.mark(release.digest, f"{release.endpoint}--{release.name}")
        if look is None:
            self._create(release)
            return
        share = 0 if look.traffic else 100
        shares = {**dict.fromkeys(look.revisions, 0), **look.traffic, release.name: share}
        self._update(look, _targets(look.name, shares), template(release, self.account.runs_as))

    @override
    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        # A revision has its scaling from the beginning.
        standing = self.describe(endpoint).deployments.get(deployment)
        if standing is None:
            raise NotFoundError(f"no deployment {deployment} behind {endpoint!r}")
        if standing.scaling != scaling:
            raise ConflictError(
                f"{endpoint}/{deployment} scales {standing.scaling}, not {scaling}, and a revision "
                "cannot be changed: release it anew"
            )

    @override
    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        # A revision has its number from the beginning.
        standing = self.describe(endpoint).deployments.get(deployment)
        if standing is None:
            raise NotFoundError(f"no deployment {deployment} behind {endpoint!r}")
        if standing.count != count:
            raise ConflictError(
                f"{endpoint}/{deployment} has {standing.count} instances, not {count}, and a "
                "revision cannot be changed: release it anew"
            )

    @override
    def describe(self, endpoint: str) -> Endpoint:
        return Look.of(self.account, endpoint).endpoint()

    @override
    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        look = Look.of(self.account, endpoint)
        unknown = sorted(set(traffic) - set(look.revisions))
        if unknown:
            raise NotFoundError(f"no deployment {', '.join(unknown)} behind {endpoint!r}")
        shares = {**dict.fromkeys(look.revisions, 0), **traffic}
        self._update(look, _targets(endpoint, shares))

    @override
    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        # A deployment's tag has an address of its own.
        with before_sending():
            look = Look.of(self.account, endpoint)
        url = trusted(look.url(deployment), GOOGLE_RUN, operation="run:Invoke")
        with translated("run:Invoke"):
            token = id_token.fetch_id_token(self.account.transport, look.resource.uri)
            answer = self.account.plain.post(
                url + ROUTE,
                data=body,
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
                timeout=TIMEOUT_SECONDS,
            )
        if deployment:
            failed = answer.status_code >= 500
            self.account.own.note(endpoint, deployment, failed=failed)
        if answer.status_code == 200:
            return bytes(answer.content)
        raise InvokeError(
            f"the model answered {answer.status_code}: {answer.text}",
            operation="run:Invoke",
            status=answer.status_code,
        )

    @override
    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics | None:
        """`limits`, and `tridock.deploy.gcp.observability`.

        A revision's requests by its tag's address are measured as those by the service's: this
        process's own are left out by their number, those of others are not.
        """
        labels = {
            "resource.labels.service_name": endpoint,
            "resource.labels.revision_name": revision_name(endpoint, deployment),
        }
        lines = self._lines(endpoint, deployment)
        measured = observability.Measured(observability.RUN, labels, lines, (endpoint, deployment))
        return observability.metrics(self.account, measured, since)

    @override
    def undeploy(self, endpoint: str, deployment: str) -> None:
        """And `limits`."""
        look = self._look(endpoint)
        if look is None or deployment not in look.revisions:
            return
        if look.traffic.get(deployment):
            share = look.traffic[deployment]
            raise ConflictError(f"{endpoint}/{deployment} has {share} % of traffic")
        shares = {**dict.fromkeys(look.revisions, 0), **look.traffic}
        del shares[deployment]
        self._update(look, _targets(endpoint, shares))

    @override
    def delete(self, endpoint: str) -> None:
        with suppress(NotFoundError), translated("run:DeleteService"):
            self.account.services.delete_service(
                name=f"{self.account.parent}/services/{endpoint}",
                retry=None,
                timeout=TIMEOUT_SECONDS,
            )

    @override
    def purge(self, endpoint: str) -> None:
        # Revisions without a tag, and bundles that no revision uses.
        look = self._look(endpoint)
        used = set(look.revisions) if look else set()
        if look:
            self._delete_revisions(look, {revision_name(endpoint, name) for name in used})
        users = {f"{endpoint}--{name}" for name in used}
        self.store.release(f"{endpoint}--", users)

    @override
    def orphans(self) -> Sequence[Orphan]:
        return tuple(CloudRunRemains(self.account, self.store).found())

    @override
    def discard(self, orphan: Orphan) -> None:
        CloudRunRemains(self.account, self.store).discard(orphan)

    @override
    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        return snippets.run_calls(Look.of(self.account, endpoint).resource.uri + ROUTE, body)

    @staticmethod
    def _lines(endpoint: str, deployment: str) -> Mapping[str, str]:
        return {
            "resource.type": "cloud_run_revision",
            "resource.labels.service_name": endpoint,
            "resource.labels.revision_name": revision_name(endpoint, deployment),
        }

    def _look(self, endpoint: str) -> Look | None:
        with suppress(NotFoundError):
            return Look.of(self.account, endpoint)
        return None

    def _create(self, release: Release) -> None:
        service = run_v2.Service(
            labels={names.ENDPOINT: release.endpoint},
            template=template(release, self.account.runs_as),
            traffic=_targets(release.endpoint, {release.name: 100}),
        )
        with translated("run:CreateService"):
            self.account.services.create_service(
                parent=self.account.parent,
                service_id=release.endpoint,
                service=service,
                retry=None,
                timeout=TIMEOUT_SECONDS,
            )

    def _update(self, look: Look, traffic: list[Any], changed: Any = None) -> None:
        """Change traffic, and the template if one is given; refused if someone else was faster."""
        service = run_v2.Service(name=look.resource.name, etag=look.resource.etag, traffic=traffic)
        paths = ["traffic"]
        if changed is not None:
            service.template = changed
            paths.append("template")
        with translated("run:UpdateService"):
            self.account.services.update_service(
                request={"service": service, "update_mask": {"paths": paths}},
                retry=None,
                timeout=TIMEOUT_SECONDS,
            )

    def _delete_revisions(self, look: Look, used: set[str]) -> None:
        with translated("run:ListRevisions"):
            revisions = list(
                self.account.revisions.list_revisions(
                    parent=look.resource.name, retry=None, timeout=TIMEOUT_SECONDS
                )
            )
        for revision in revisions:
            if revision.name.rpartition("/")[2] not in used:
                with suppress(NotFoundError, ConflictError), translated("run:DeleteRevision"):
                    self.account.revisions.delete_revision(
                        name=revision.name, retry=None, timeout=TIMEOUT_SECONDS
                    )

    def _refuse_other(self, look: Look, release: Release) -> None:
        revision = look.revisions[release.name]
        if revision is None:
            return
        wanted = template(release)
        runs = {
            "image": (revision.containers[0].image, release.image),
            "artifact": (_artifact(revision), _artifact(wanted)),
            "instance": (dict(revision.annotations), dict(wanted.annotations)),
        }
        other = [
            f"{key} {value}, not {ours}" for key, (value, ours) in runs.items() if value != ours
        ]
        if other:
            raise ConflictError(
                f"{release.endpoint}/{release.name} runs with {', '.join(other)}: "
                "package the bundle under another version, or undeploy it first"
            )


def _targets(endpoint: str, shares: Mapping[str, int]) -> list[Any]:
    return [target(endpoint, name, share) for name, share in shares.items()]


def _artifact(holder: Any) -> tuple[str, tuple[str, ...]]:
    source = holder.volumes[0].gcs
    return source.bucket, tuple(source.mount_options)
