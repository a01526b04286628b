"""A Cloud Run service and its revisions: how a release becomes one, and how one reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.cloud import run_v2

from tridock.deploy.gcp import names
from tridock.deploy.gcp.account import TIMEOUT_SECONDS, Account
from tridock.deploy.gcp.errors import translated
from tridock.deploy.target.errors import ConfigError, NotFoundError
from tridock.deploy.target.records import Deployment, Endpoint, Release, Scaling, State

#: A revision's name holds the service's and ours; 63 characters is the limit.
LONGEST_ENDPOINT = 33
#: Where the image keeps a model, and the route that says it is loaded.
MODEL, HEALTH = "/opt/ml/model", "/readyz"
VERSION, INSTANCE, COUNT = "tridock/version", "tridock/instance", "tridock/count"
SCALED = "tridock/scaled"
#: Loading a model takes longer than the default probe's four minutes allow for nothing else.
PROBE = {"period_seconds": 5, "failure_threshold": 48, "timeout_seconds": 2}

_BY_REVISION = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION


def template(release: Release, runs_as: str = "") -> run_v2.RevisionTemplate:
    """Return the template that makes a release's revision: the bundle's folder is mounted.

    Parameters
    ----------
    runs_as : str
        Service account of the container; empty for the project's default.

    Raises
    ------
    ConfigError
        If the endpoint's name is too long.
    """
    if len(release.endpoint) > LONGEST_ENDPOINT:
        raise ConfigError(
            f"{release.endpoint!r} is too long for Cloud Run: {LONGEST_ENDPOINT} characters at most"
        )
    bucket, _, folder = release.artifact.removeprefix("gs://").partition("/")
    source = run_v2.GCSVolumeSource(
        bucket=bucket, read_only=True, mount_options=[f"only-dir={folder}"]
    )
    cpus = re.search(r"(\d+)$", release.instance)
    cpu = int(cpus[1]) if cpus else 1
    return run_v2.RevisionTemplate(
        revision=revision_name(release.endpoint, release.name),
        labels=names.labels(release),
        service_account=runs_as,
        annotations={
            VERSION: release.version,
            INSTANCE: release.instance,
            COUNT: str(release.count),
            **({SCALED: "true"} if release.scaling else {}),
        },
        scaling=run_v2.RevisionScaling(
            min_instance_count=release.scaling.minimum if release.scaling else 0,
            max_instance_count=release.scaling.maximum if release.scaling else release.count,
        ),
        max_instance_request_concurrency=release.scaling.target if release.scaling else 0,
        volumes=[run_v2.Volume(name="model", gcs=source)],
        containers=[
            run_v2.Container(
                image=release.image,
                env=[
                    run_v2.EnvVar(name=key, value=variable)
                    for key, variable in release.variables.items()
                ],
                volume_mounts=[run_v2.VolumeMount(name="model", mount_path=MODEL)],
                resources=run_v2.ResourceRequirements(
                    limits={"cpu": str(cpu), "memory": f"{2 * cpu}Gi"}
                ),
                startup_probe=run_v2.Probe(http_get=run_v2.HTTPGetAction(path=HEALTH), **PROBE),
            )
        ],
    )


def revision_name(endpoint: str, deployment: str) -> str:
    """Name the revision of a deployment."""
    return f"{endpoint}-{deployment}"


def target(endpoint: str, deployment: str, percent: int) -> run_v2.TrafficTarget:
    """Return a share of traffic; the tag gives the deployment an address of its own."""
    return run_v2.TrafficTarget(
        type_=_BY_REVISION,
        revision=revision_name(endpoint, deployment),
        percent=percent,
        tag=deployment,
    )


@dataclass(frozen=True)
class Look:
    """One look at a service.

    Attributes
    ----------
    resource : run_v2.Service
        The answer of GetService.
    revisions : Mapping of str to run_v2.Revision
        By the deployments' names, those that the service's traffic names.
    """

    resource: Any
    revisions: Mapping[str, Any]

    @classmethod
    def of(cls, account: Account, endpoint: str) -> Look:
        """Look at a service; raise `NotFoundError` if there is none."""
        name = f"{account.parent}/services/{endpoint}"
        with translated("run:GetService"):
            resource = account.services.get_service(name=name, retry=None, timeout=TIMEOUT_SECONDS)
        with translated("run:ListRevisions"):
            revisions = {
                revision.name.rpartition("/")[2]: revision
                for revision in account.revisions.list_revisions(
                    parent=name, retry=None, timeout=TIMEOUT_SECONDS
                )
            }
        named = {each.tag: revisions.get(each.revision) for each in resource.traffic if each.tag}
        return cls(resource, named)

    @property
    def name(self) -> str:
        """The service's id, which is our name of it."""
        return str(self.resource.name.rpartition("/")[2])

    @property
    def traffic(self) -> dict[str, int]:
        """Percent by deployment, without the zeros."""
        return {
            each.tag: each.percent for each in self.resource.traffic if each.tag and each.percent
        }

    def url(self, deployment: str | None) -> str:
        """Return the address of the service, or of one deployment.

        Raises
        ------
        NotFoundError
            If there is no such deployment.
        """
        if deployment is None:
            return str(self.resource.uri)
        for status in self.resource.traffic_statuses:
            if status.tag == deployment:
                return str(status.uri)
        raise NotFoundError(f"no deployment {deployment} behind {self.name!r}")

    def endpoint(self) -> Endpoint:
        """Return it as our record."""
        return Endpoint(
            self.name,
            {name: _deployment(name, revision) for name, revision in self.revisions.items()},
            self.traffic,
            State.UPDATING if self.resource.reconciling else State.READY,
            url=self.resource.uri,
        )


def _deployment(name: str, revision: Any) -> Deployment:
    if revision is None:
        return Deployment(name, State.CREATING)
    state, reason = _state(revision)
    return Deployment(
        name,
        state,
        reason,
        bundle=revision.labels.get(names.BUNDLE, ""),
        version=revision.annotations.get(VERSION, ""),
        digest=names.digest(revision.labels),
        instance=revision.annotations.get(INSTANCE, ""),
        count=int(revision.annotations.get(COUNT, 1)),
        created=revision.create_time,
        scaling=scaling_of(revision),
    )


def scaling_of(revision: Any) -> Scaling | None:
    """Read the scaling of a release; Cloud Run has one of its own for all others."""
    if not revision.annotations.get(SCALED):
        return None
    bounds, most = revision.scaling, revision.max_instance_request_concurrency
    return Scaling(bounds.min_instance_count, bounds.max_instance_count, "concurrency", most)


def _state(revision: Any) -> tuple[State, str]:
    for condition in revision.conditions:
        if condition.type_ == "Ready":
            if condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED:
                return State.READY, ""
            if condition.state == run_v2.Condition.State.CONDITION_FAILED:
                return State.FAILED, condition.message
    return State.CREATING, ""
