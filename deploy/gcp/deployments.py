"""Endpoints and deployed models: made, put on, taken off, removed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tridock.deploy.gcp import names
from tridock.deploy.gcp.account import TIMEOUT_SECONDS, Account
from tridock.deploy.gcp.errors import translated
from tridock.deploy.gcp.reading import REPLICAS, Reading, replicas
from tridock.deploy.gcp.registry import Registry
from tridock.deploy.target.errors import ConflictError, NotFoundError, UnavailableError
from tridock.deploy.target.records import Release, Scaling

#: An endpoint without models is made and removed in seconds; a model leaves within minutes.
CREATE_SECONDS = 300.0
UNDEPLOY_SECONDS = 900.0
DEPLOY_SECONDS = 3600.0


@dataclass(frozen=True)
class DeployedModels:
    """The endpoints of one account.

    Vertex AI makes one verb of ours out of several operations that each need the one before.
    Those that take seconds are waited for; `DeployModel` and `UndeployModel`, which take minutes,
    are begun, and a label of the endpoint remembers them for the next look.

    Attributes
    ----------
    registry : Registry
        Models and clients.
    """

    registry: Registry

    @property
    def account(self) -> Account:
        """The clients."""
        return self.registry.account

    def look(self, name: str) -> Reading | None:
        """Look at an endpoint; None if there is none."""
        with suppress(NotFoundError):
            return Reading.of(self.registry, name)
        return None

    def make(self, name: str, labels: Mapping[str, str]) -> Reading:
        """Make an endpoint unless it is there, and look at it."""
        made = {"display_name": name, "labels": dict(labels)}
        with suppress(ConflictError), translated("aiplatform:CreateEndpoint"):
            self.account.endpoints.create_endpoint(
                request={
                    "parent": self.account.parent,
                    "endpoint": made,
                    "endpoint_id": name,
                },
                retry=None,
                timeout=TIMEOUT_SECONDS,
            ).result(timeout=CREATE_SECONDS)
        try:
            return Reading.of(self.registry, name)
        except NotFoundError as error:
            raise UnavailableError(f"endpoint {name} was just made and is not shown yet") from error

    def put(self, reading: Reading, release: Release, version: Any) -> Any:
        """Begin to deploy a version; the first on its endpoint is to get all traffic.

        What this process began and could not note on the endpoint is not begun again.
        """
        is_first = not reading.ids and not reading.is_busy
        request: dict[str, Any] = {
            "endpoint": reading.resource.name,
            "deployed_model": {
                "id": names.deployed_id(reading.name, release.name),
                "model": f"{version.name.partition('@')[0]}@{version.version_id}",
                "display_name": release.name,
                "service_account": self.account.runs_as,
                "dedicated_resources": {
                    "machine_spec": {"machine_type": release.instance},
                    **replicas(release.scaling, release.count),
                },
            },
            "traffic_split": {"0": 100} if is_first else {},
        }
        key = reading.name, release.name
        with translated("aiplatform:DeployModel"):
            begun = self.account.begun.get(key)
            if begun is None or begun.done():
                begun = self.account.endpoints.deploy_model(
                    request=request, retry=None, timeout=TIMEOUT_SECONDS
                )
        self.account.begun[key] = begun
        self._remember(reading.name, names.DEPLOYING, (release.name, begun.operation.name))
        del self.account.begun[key]
        return begun

    def adopt(self, name: str, deployment: str) -> bool:
        """Note on its endpoint what a run that was cut short began to deploy and could not note.

        Its operation says nothing of what it deploys; but the endpoint is locked, and what other
        runs is in its labels.

        Returns
        -------
        bool
            Whether it is coming up, or is there.
        """
        reading = Reading.of(self.registry, name)
        if deployment in reading.ids:
            return True
        with translated("aiplatform:ListOperations"):
            response = self.account.endpoints.list_operations(
                {"name": reading.resource.name}, retry=None, timeout=TIMEOUT_SECONDS
            )
        known = set(reading.resource.labels.values())
        begun = [
            operation
            for operation in response.operations
            if _deploys(operation)
            and not operation.done
            and operation.name.rpartition("/")[2] not in known
        ]
        if len(begun) == 1:
            self._remember(name, names.DEPLOYING, (deployment, begun[0].name))
        return len(begun) == 1

    def scale(self, reading: Reading, deployment: str, scaling: Scaling | None) -> None:
        """Let the replicas of a deployed model follow its load, and wait until that is done."""
        standing = _deployed(reading, deployment)
        count = standing.dedicated_resources.min_replica_count
        self._mutate(reading, standing, replicas(scaling, count))

    def resize(self, reading: Reading, deployment: str, count: int) -> None:
        """Set the number of replicas of a deployed model, and wait until that is done."""
        standing = _deployed(reading, deployment)
        resources = standing.dedicated_resources
        if (resources.min_replica_count, resources.max_replica_count) != (count, count):
            self._mutate(reading, standing, replicas(None, count))

    def _mutate(self, reading: Reading, standing: Any, wanted: Mapping[str, Any]) -> None:
        machine = {"machine_type": standing.dedicated_resources.machine_spec.machine_type}
        wanted = {"machine_spec": machine, **wanted}
        changed = {"id": standing.id, "dedicated_resources": wanted}
        with translated("aiplatform:MutateDeployedModel"):
            self.account.endpoints.mutate_deployed_model(
                request={
                    "endpoint": reading.resource.name,
                    "deployed_model": changed,
                    "update_mask": {"paths": [f"dedicated_resources.{name}" for name in REPLICAS]},
                },
                retry=None,
                timeout=TIMEOUT_SECONDS,
            ).result(timeout=CREATE_SECONDS)

    def take(self, reading: Reading, deployment: str, split: Mapping[str, int]) -> Any:
        """Begin to undeploy; `split` is the traffic of the others, by id."""
        with translated("aiplatform:UndeployModel"):
            begun = self.account.endpoints.undeploy_model(
                request={
                    "endpoint": reading.resource.name,
                    "deployed_model_id": reading.ids[deployment],
                    "traffic_split": dict(split),
                },
                retry=None,
                timeout=TIMEOUT_SECONDS,
            )
        self._remember(reading.name, names.UNDEPLOYING, (deployment, begun.operation.name))
        return begun

    def split(self, reading: Reading, traffic: Mapping[str, int]) -> None:
        """Set the traffic, by deployment."""
        ids = reading.ids
        changed = {"traffic_split": {ids[name]: share for name, share in traffic.items() if share}}
        self._update(reading.name, changed)

    def forget(self, reading: Reading, deployment: str) -> None:
        """Forget the operation of a deployment that failed."""
        labels = dict(reading.resource.labels)
        if labels.pop(names.DEPLOYING + deployment, None):
            self._update(reading.name, {"labels": labels})

    def remove(self, name: str) -> None:
        """Take everything off an endpoint and delete it. Absent is success.

        Raises
        ------
        ConflictError
            If something is still being deployed on it: it cannot be stopped.
        """
        reading = self.look(name)
        if reading is None:
            return
        if reading.is_busy:
            raise ConflictError(f"{name} is being changed: wait until it is settled")
        last = max(reading.ids, key=lambda one: reading.traffic.get(one, 0), default="")
        for deployment in sorted(reading.ids, key=lambda one: one == last):
            split = {} if deployment == last else {reading.ids[last]: 100}
            with translated("aiplatform:UndeployModel"):
                self.take(reading, deployment, split).result(timeout=UNDEPLOY_SECONDS)
        with suppress(NotFoundError), translated("aiplatform:DeleteEndpoint"):
            self.account.endpoints.delete_endpoint(
                name=reading.resource.name, retry=None, timeout=TIMEOUT_SECONDS
            ).result(timeout=CREATE_SECONDS)

    def listed(self) -> list[Any]:
        """Return all endpoints of the location that carry our label."""
        with translated("aiplatform:ListEndpoints"):
            endpoints = list(
                self.account.endpoints.list_endpoints(
                    parent=self.account.parent, retry=None, timeout=TIMEOUT_SECONDS
                )
            )
        return [endpoint for endpoint in endpoints if names.ENDPOINT in endpoint.labels]

    def _remember(self, name: str, prefix: str, what: tuple[str, str]) -> None:
        """Note an operation on the endpoint, and forget those that matter no more."""
        deployment, operation = what
        labels = Reading.of(self.registry, name).lasting_labels
        for other in (names.DEPLOYING, names.UNDEPLOYING):
            labels.pop(other + deployment, None)
        labels[prefix + deployment] = operation.rpartition("/")[2]
        self._update(name, {"labels": labels})

    def _update(self, name: str, changed: Mapping[str, Any]) -> None:
        endpoint = {"name": f"{self.account.parent}/endpoints/{name}", **changed}
        with translated("aiplatform:UpdateEndpoint"):
            self.account.endpoints.update_endpoint(
                request={"endpoint": endpoint, "update_mask": {"paths": list(changed)}},
                retry=None,
                timeout=TIMEOUT_SECONDS,
            )


def _deployed(reading: Reading, deployment: str) -> Any:
    models = reading.resource.deployed_models
    return next(model for model in models if model.display_name == deployment)


def _deploys(operation: Any) -> bool:
    return str(operation.metadata.type_url).endswith(".DeployModelOperationMetadata")
