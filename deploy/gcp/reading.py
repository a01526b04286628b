"""Descriptions of endpoints, read from Vertex AI into our records."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tridock.deploy.gcp import names
from tridock.deploy.gcp.account import TIMEOUT_SECONDS, Account
from tridock.deploy.gcp.errors import translated
from tridock.deploy.gcp.registry import Registry
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.records import Deployment, Endpoint, Scaling, State


@dataclass(frozen=True)
class Reading:
    """One look at an endpoint.

    An endpoint shows its deployed models once they serve, and nothing of those that are coming
    up or have failed. Their operations do, and the endpoint's labels remember those.

    Attributes
    ----------
    resource : Endpoint of google.cloud.aiplatform_v1
        The answer of GetEndpoint.
    registry : Registry
        Where the versions' labels are.
    """

    resource: Any
    registry: Registry

    @classmethod
    def of(cls, registry: Registry, name: str) -> Reading:
        """Look at an endpoint; raise `NotFoundError` if there is none.

        An endpoint and its operations are read one after the other. Where an operation ended
        in between, the endpoint is looked at again: else a deployment that came up just then would
        neither serve nor come.
        """
        reading = cls(_told(registry.account, name), registry)
        return cls(_told(registry.account, name), registry) if reading.is_outdated else reading

    @property
    def is_outdated(self) -> bool:
        """True if an operation has ended whose effect the endpoint does not show."""
        came = {name for name, each in self._deploying.items() if _has_succeeded(each)}
        went = {name for name, each in self._undeploying.items() if _has_succeeded(each)}
        return bool(came - set(self.ids) or went & set(self.ids))

    @property
    def name(self) -> str:
        """The endpoint's id, which is our name of it."""
        return str(self.resource.name.rpartition("/")[2])

    @property
    def ids(self) -> dict[str, str]:
        """Deployed models' ids by our deployments' names."""
        return {model.display_name: model.id for model in self.resource.deployed_models}

    @property
    def traffic(self) -> dict[str, int]:
        """Percent by deployment, without the zeros."""
        split = self.resource.traffic_split
        return {name: split[key] for name, key in self.ids.items() if split.get(key)}

    @cached_property
    def coming(self) -> dict[str, Any]:
        """The operations of deployments that do not serve (yet), by deployment."""
        return {
            name: each
            for name, each in self._deploying.items()
            if name not in self.ids and not _has_succeeded(each)
        }

    @cached_property
    def leaving(self) -> set[str]:
        """The deployments that are being taken off."""
        return {name for name, each in self._undeploying.items() if not each.done}

    @property
    def is_busy(self) -> bool:
        """True if an operation is under way."""
        return bool(self.leaving) or any(not each.done for each in self.coming.values())

    @property
    def lasting_labels(self) -> dict[str, str]:
        """The labels without those of operations that tell nothing any more: 64 is the limit."""
        kept = {names.DEPLOYING + name for name in self.coming}
        kept |= {names.UNDEPLOYING + name for name in self.leaving}
        prefixes = (names.DEPLOYING, names.UNDEPLOYING)
        return {
            label: value
            for label, value in self.resource.labels.items()
            if label in kept or not label.startswith(prefixes)
        }

    def endpoint(self) -> Endpoint:
        """Return it as our record."""
        deployments = {
            model.display_name: self._serving(model) for model in self.resource.deployed_models
        }
        deployments |= {name: self._coming(name, each) for name, each in self.coming.items()}
        host = self.registry.account.host
        return Endpoint(
            self.name,
            deployments,
            self.traffic,
            State.UPDATING if self.is_busy else State.READY,
            url=f"https://{host}/v1/{self.resource.name}",
        )

    def _serving(self, deployed: Any) -> Deployment:
        resources = deployed.dedicated_resources
        return self._deployment(
            deployed.display_name,
            deployed.model_version_id,
            Deployment(
                deployed.display_name,
                State.DELETING if deployed.display_name in self.leaving else State.READY,
                instance=resources.machine_spec.machine_type,
                count=deployed.status.available_replica_count or resources.min_replica_count,
                created=deployed.create_time,
                scaling=scaling_of(resources),
            ),
        )

    def _coming(self, name: str, operation: Any) -> Deployment:
        failed = operation.done
        reason = operation.error.message if failed else ""
        state = State.FAILED if failed else State.CREATING
        return self._deployment(name, name, Deployment(name, state, reason))

    def _deployment(self, name: str, version: str, known: Deployment) -> Deployment:
        """Add what the version's labels say."""
        registered = self.registry.find(self.name, version)
        if registered is None:
            return known
        return replace(
            known,
            bundle=registered.labels.get(names.BUNDLE, ""),
            version=registered.version_description,
            digest=names.digest(registered.labels),
            created=known.created or registered.version_create_time,
        )

    @cached_property
    def _deploying(self) -> dict[str, Any]:
        return self._operations(names.DEPLOYING)

    @cached_property
    def _undeploying(self) -> dict[str, Any]:
        return self._operations(names.UNDEPLOYING)

    def _operations(self, prefix: str) -> dict[str, Any]:
        operations = {}
        for label, number in self.resource.labels.items():
            if label.startswith(prefix):
                with suppress(NotFoundError), translated("aiplatform:GetOperation"):
                    operations[label.removeprefix(prefix)] = self._operation(number)
        return operations

    def _operation(self, number: str) -> Any:
        endpoints = self.registry.account.endpoints
        return endpoints.get_operation(
            {"name": f"{self.resource.name}/operations/{number}"},
            retry=None,
            timeout=TIMEOUT_SECONDS,
        )


def _told(account: Account, name: str) -> Any:
    with translated("aiplatform:GetEndpoint"):
        return account.endpoints.get_endpoint(
            name=f"{account.parent}/endpoints/{name}", retry=None, timeout=TIMEOUT_SECONDS
        )


def _has_succeeded(operation: Any) -> bool:
    return bool(operation.done and not operation.HasField("error"))


# Replicas of deployed models and what they follow, our words and Vertex AI's.

_ONLINE = "aiplatform.googleapis.com/prediction/online"
METRICS = {"requests": f"{_ONLINE}/request_count", "cpu": f"{_ONLINE}/cpu/utilization"}
#: What of a deployed model's resources says how many replicas it has.
REPLICAS = ("min_replica_count", "max_replica_count", "autoscaling_metric_specs")


def replicas(scaling: Scaling | None, count: int) -> dict[str, Any]:
    """Return the part of the resources that asks for `scaling`, or for `count` that stay."""
    if scaling is None:
        return dict(zip(REPLICAS, (count, count, []), strict=True))
    followed = {"metric_name": METRICS[scaling.metric], "target": scaling.target}
    return dict(zip(REPLICAS, (scaling.minimum, scaling.maximum, [followed]), strict=True))


def scaling_of(resources: Any) -> Scaling | None:
    """Read the scaling of a deployed model's resources; None where it has none of ours."""
    names = {theirs: ours for ours, theirs in METRICS.items()}
    for spec in resources.autoscaling_metric_specs:
        if spec.metric_name in names:
            least, most = resources.min_replica_count, resources.max_replica_count
            return Scaling(least, most, names[spec.metric_name], spec.target)
    return None
