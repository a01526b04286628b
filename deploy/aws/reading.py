"""Descriptions of endpoints, read from SageMaker into our records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tridock.deploy import strategies
from tridock.deploy.aws import names
from tridock.deploy.aws.facts import Facts
from tridock.deploy.target.records import Deployment, Endpoint, State

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import DescribeEndpointOutputTypeDef

#: "DescribeEndpoint", API reference, EndpointStatus.
STATES = {
    "Creating": State.CREATING,
    "Updating": State.UPDATING,
    "SystemUpdating": State.UPDATING,
    "RollingBack": State.UPDATING,
    "InService": State.READY,
    "OutOfService": State.FAILED,
    "Failed": State.FAILED,
    "UpdateRollbackFailed": State.FAILED,
    "Deleting": State.DELETING,
}


@dataclass(frozen=True)
class Reading:
    """One look at an endpoint.

    Attributes
    ----------
    facts : Facts
        What its parts are.
    description : Mapping
        The answer of DescribeEndpoint.
    variants : sequence of dict
        The production variants of its configuration.
    pending : sequence of dict
        Variants of the configuration that it is being updated to and that are not serving yet.
    shadows : sequence of dict
        The shadow variants of its configuration.
    """

    facts: Facts
    description: DescribeEndpointOutputTypeDef
    variants: Sequence[Mapping[str, Any]]
    pending: Sequence[Mapping[str, Any]]
    shadows: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, facts: Facts, endpoint: str) -> Reading:
        """Look at an endpoint; raise `NotFoundError` if there is none."""
        description = facts.endpoint(endpoint)
        variants, shadows = facts.variants(description["EndpointConfigName"])
        now = {each["VariantName"] for each in (*variants, *shadows)}
        coming = description.get("PendingDeploymentSummary", {}).get("EndpointConfigName", "")
        pending = sum(facts.variants(coming), []) if coming else []
        fresh = [each for each in pending if each["VariantName"] not in now]
        return cls(facts, description, variants, fresh, shadows)

    @property
    def configs(self) -> set[str]:
        """The names of the configurations in use."""
        pending = self.description.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
        return {self.description["EndpointConfigName"]} | ({pending} if pending else set())

    @property
    def models(self) -> set[str]:
        """The names of the models in use."""
        return {each["ModelName"] for each in (*self.variants, *self.shadows, *self.pending)}

    @property
    def traffic(self) -> dict[str, int]:
        """Whole percent by variant, without the zeros."""
        return {
            name: share for name, share in strategies.shares(self.weights, 100).items() if share
        }

    @property
    def weights(self) -> dict[str, float]:
        """The current weight by production variant."""
        shown = {
            each["VariantName"]: each for each in self.description.get("ProductionVariants", ())
        }
        return {
            name: shown[name].get("CurrentWeight", 0.0) if name in shown else weight
            for name, weight in self._initial().items()
        }

    @property
    def counts(self) -> dict[str, int]:
        """The number of instances by production variant, where it is known."""
        shown = self.description.get("ProductionVariants", ())
        return {each["VariantName"]: each.get("CurrentInstanceCount", 0) for each in shown}

    @property
    def shadow(self) -> dict[str, int]:
        """Percent of the requests that is copied, by shadow variant: its weight over the other's.

        "Shadow variants", developer guide.
        """
        base = sum(self.weights.values()) or 1.0
        shown = {
            shadow["VariantName"]: shadow.get("InitialVariantWeight", 1.0)
            for shadow in self.shadows
        }
        return {name: round(100 * weight / base) for name, weight in shown.items()}

    def endpoint(self) -> Endpoint:
        """Return it as our record."""
        state = STATES[self.description["EndpointStatus"]]
        reason = self.description.get("FailureReason", "")
        serving = State.READY if state is State.UPDATING else state
        shown = [(each, serving) for each in (*self.variants, *self.shadows)]
        shown += [(each, State.CREATING) for each in self.pending]
        deployments = {
            one.name: replace(one, count=self.counts.get(one.name) or one.count)
            for one in (_deployment(self.facts, each, now, reason) for each, now in shown)
        }
        name = self.description["EndpointName"]
        return Endpoint(name, deployments, self.traffic, state, reason, shadow=self.shadow)

    def _initial(self) -> dict[str, float]:
        return {
            variant["VariantName"]: variant.get("InitialVariantWeight", 1.0)
            for variant in self.variants
        }


def _deployment(facts: Facts, variant: Mapping[str, Any], state: State, reason: str) -> Deployment:
    """Return a variant as our record; its model has the tags and the time, which it has not."""
    model = facts.model(variant["ModelName"])
    return Deployment(
        variant["VariantName"],
        state,
        reason if state is State.FAILED else "",
        bundle=model.tags.get(names.BUNDLE, ""),
        version=model.tags.get(names.VERSION, ""),
        digest=model.tags.get(names.DIGEST, ""),
        instance=variant.get("InstanceType", ""),
        count=variant.get("InitialInstanceCount", 0),
        created=model.created,
    )
