"""The verbs of `tridock.deploy.target.protocol.Target` as Vertex AI calls.

Endpoint = endpoint, deployment = deployed model, traffic = traffic split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from typing_extensions import override

from tridock.deploy.gcp import names, observability, snippets
from tridock.deploy.gcp.asking import Asking
from tridock.deploy.gcp.deployments import DeployedModels
from tridock.deploy.gcp.google_target import GoogleTarget
from tridock.deploy.gcp.orphans import VertexRemains
from tridock.deploy.gcp.reading import Reading
from tridock.deploy.gcp.registry import Registry
from tridock.deploy.target.errors import (
    ConflictError,
    NotFoundError,
    before_sending,
)
from tridock.deploy.target.metrics import Metrics
from tridock.deploy.target.records import Endpoint, Orphan, Release, Scaling

LIMITS = {
    "invoke": "A shared endpoint cannot be told which deployed model to ask. One that has traffic "
    "is asked through the endpoint until the answer names it, so a judged request takes as long "
    "as several; one without traffic is deployed a second time, on a temporary endpoint that "
    "costs a machine until the next change of the endpoint",
    "shadow": "Vertex AI has no mirrored traffic",
    "scaling by concurrency": "Vertex AI measures no requests in flight",
    "scaling to zero": "v1 demands at least one replica of each deployed model; scaling to zero is "
    "a preview of v1beta1, and not on shared endpoints",
    "count": "with [scaling], Vertex AI begins with its minimum",
    "live requests": "Cloud Monitoring keeps minutes, and shows one up to two minutes after it",
    "logs": "Cloud Logging keeps the lines of a deployment after it: its log bucket says how long",
}


@dataclass(frozen=True)
class VertexTarget(GoogleTarget):
    """Vertex AI of one project and location, with the bucket for bundles."""

    limits: ClassVar[Mapping[str, str]] = LIMITS

    @override
    def identity(self) -> str:
        return self.account.identity()

    @override
    def endpoints(self) -> Sequence[str]:
        endpoints = [each for each in self._deployments.listed() if names.ALONE not in each.labels]
        return sorted(endpoint.name.rpartition("/")[2] for endpoint in endpoints)

    @override
    def deploy(self, release: Release) -> None:
        deployments = self._deployments
        reading = deployments.look(release.endpoint)
        if reading and release.name in reading.ids:
            self._refuse_other(reading, release)
            return
        if reading and release.name in reading.coming and not reading.coming[release.name].done:
            return
        self.store.mark(release.digest, _user(release.endpoint, release.name))
        version = deployments.registry.upload(release)
        labels = {names.ENDPOINT: release.endpoint}
        reading = reading or deployments.make(release.endpoint, labels)
        try:
            deployments.put(reading, release, version)
        except ConflictError:
            if not deployments.adopt(release.endpoint, release.name):
                raise

    @override
    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        # It waits until the service has done it: nothing would show it.
        reading = self._read(endpoint)
        if deployment not in reading.ids:
            raise NotFoundError(f"no deployment {deployment} behind {endpoint!r}")
        if reading.endpoint().deployments[deployment].scaling != scaling:
            self._deployments.scale(reading, deployment, scaling)

    @override
    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        # It waits until the service has done it: nothing would show it.
        reading = self._read(endpoint)
        if deployment not in reading.ids:
            raise NotFoundError(f"no deployment {deployment} behind {endpoint!r}")
        self._deployments.resize(reading, deployment, count)

    @override
    def describe(self, endpoint: str) -> Endpoint:
        return self._read(endpoint).endpoint()

    @override
    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        # The registry's aliases follow.
        reading = self._read(endpoint)
        unknown = sorted(set(traffic) - set(reading.ids))
        if unknown:
            raise NotFoundError(f"no deployment {', '.join(unknown)} behind {endpoint!r}")
        self._deployments.split(reading, traffic)
        ranked = sorted(reading.ids, key=lambda name: -traffic.get(name, 0))
        self._deployments.registry.follow(endpoint, ranked[:2])

    @override
    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        """And `limits`."""
        if deployment is None:
            return self._asking.ask(endpoint, body)
        with before_sending():
            reading = self._read(endpoint)
        return self._asking.ask_one(reading, deployment, body)

    @override
    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics | None:
        """`limits`, and `tridock.deploy.gcp.observability`.

        Requests of this process that a deployment with traffic answered are left out by their
        number; those to one without are on an endpoint of their own.
        """
        deployed = names.deployed_id(endpoint, deployment)
        labels = {
            "resource.labels.endpoint_id": endpoint,
            "metric.labels.deployed_model_id": deployed,
        }
        lines = self._lines(endpoint, deployment)
        measured = observability.Measured(
            observability.VERTEX, labels, lines, (endpoint, deployment)
        )
        return observability.metrics(self.account, measured, since)

    @override
    def undeploy(self, endpoint: str, deployment: str) -> None:
        reading = self._deployments.look(endpoint)
        if reading is None:
            return
        if reading.traffic.get(deployment):
            share = reading.traffic[deployment]
            raise ConflictError(f"{endpoint}/{deployment} has {share} % of traffic")
        if deployment in reading.ids and deployment not in reading.leaving:
            self._deployments.take(reading, deployment, {})
        elif deployment in reading.coming:
            self._deployments.forget(reading, deployment)

    @override
    def delete(self, endpoint: str) -> None:
        self._deployments.remove(endpoint)

    @override
    def purge(self, endpoint: str) -> None:
        """Temporary endpoints, versions, and bundles that no version uses."""
        reading = self._deployments.look(endpoint)
        used = set(reading.ids) | set(reading.coming) if reading else set()
        for each in self._deployments.listed():
            if each.labels[names.ENDPOINT] == endpoint and names.ALONE in each.labels:
                with suppress(ConflictError):  # still coming up: the next purge finds it
                    self._deployments.remove(each.name.rpartition("/")[2])
        registry = self._deployments.registry
        registry.purge(endpoint, used)
        users = {_user(endpoint, name) for name in registry.users(endpoint)}
        self.store.release(_user(endpoint, ""), users)

    @override
    def orphans(self) -> Sequence[Orphan]:
        return tuple(VertexRemains(self._deployments, self.store).found())

    @override
    def discard(self, orphan: Orphan) -> None:
        VertexRemains(self._deployments, self.store).discard(orphan)

    @override
    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        name = f"{self.account.parent}/endpoints/{endpoint}"
        return snippets.calls(name, body, host=self.account.host)

    @staticmethod
    def _lines(endpoint: str, deployment: str) -> Mapping[str, str]:
        return {
            "resource.type": "aiplatform.googleapis.com/Endpoint",
            "resource.labels.endpoint_id": endpoint,
            "labels.deployed_model_id": names.deployed_id(endpoint, deployment),
        }

    @property
    def _deployments(self) -> DeployedModels:
        return DeployedModels(Registry(self.account))

    @property
    def _asking(self) -> Asking:
        return Asking(self._deployments)

    def _read(self, endpoint: str) -> Reading:
        return Reading.of(self._deployments.registry, endpoint)

    def _refuse_other(self, reading: Reading, release: Release) -> None:
        running = reading.endpoint().deployments[release.name]
        version = self._deployments.registry.find(release.endpoint, release.name)
        other = Registry.differences(version, release) if version is not None else []
        if running.instance != release.instance:
            other.append(f"instance {running.instance}, not {release.instance}")
        if other:
            raise ConflictError(
                f"{release.endpoint}/{release.name} runs with {', '.join(other)}: "
                "package the bundle under another version, or undeploy it first"
            )


def _user(endpoint: str, deployment: str) -> str:
    """Name who uses a bundle: no endpoint's name has two hyphens in a row."""
    return f"{endpoint}--{deployment}"
