"""What SageMaker shows of an endpoint, read into our records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deploy import rollout
from deploy.aws import names
from deploy.aws.errors import translated
from deploy.target import Deployment, Endpoint, State

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
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
    told : Mapping
        The answer of DescribeEndpoint.
    variants : sequence of dict
        The production variants of its configuration.
    pending : sequence of dict
        Variants of the configuration that it is being updated to and that are not serving yet.
    shadows : sequence of dict
        The shadow variants of its configuration.
    """

    told: DescribeEndpointOutputTypeDef
    variants: Sequence[Mapping[str, Any]]
    pending: Sequence[Mapping[str, Any]]
    shadows: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, sagemaker: SageMakerClient, endpoint: str) -> Reading:
        """Look at an endpoint; raise `NotFoundError` if there is none."""
        with translated("sagemaker"):
            told = sagemaker.describe_endpoint(EndpointName=endpoint)
        variants, shadows = _variants(sagemaker, told["EndpointConfigName"])
        now = {each["VariantName"] for each in (*variants, *shadows)}
        coming = told.get("PendingDeploymentSummary", {}).get("EndpointConfigName", "")
        pending = sum(_variants(sagemaker, coming), []) if coming else []
        fresh = [each for each in pending if each["VariantName"] not in now]
        return cls(told, variants, fresh, shadows)

    @property
    def configs(self) -> set[str]:
        """The names of the configurations in use."""
        pending = self.told.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
        return {self.told["EndpointConfigName"]} | ({pending} if pending else set())

    @property
    def models(self) -> set[str]:
        """The names of the models in use."""
        return {each["ModelName"] for each in (*self.variants, *self.shadows, *self.pending)}

    @property
    def traffic(self) -> dict[str, int]:
        """Whole percent by variant, without the zeros."""
        return {name: share for name, share in rollout.shares(self.weights, 100).items() if share}

    @property
    def weights(self) -> dict[str, float]:
        """The current weight by production variant."""
        shown = {each["VariantName"]: each for each in self.told.get("ProductionVariants", ())}
        return {
            name: shown[name].get("CurrentWeight", 0.0) if name in shown else weight
            for name, weight in self._initial().items()
        }

    @property
    def shadow(self) -> dict[str, int]:
        """Percent of the requests that is copied, by shadow variant: its weight over the other's.

        "Shadow variants", developer guide.
        """
        base = sum(self.weights.values()) or 1.0
        shown = {
            each["VariantName"]: each.get("InitialVariantWeight", 1.0) for each in self.shadows
        }
        return {name: round(100 * weight / base) for name, weight in shown.items()}

    def endpoint(self, sagemaker: SageMakerClient) -> Endpoint:
        """Return it as our record."""
        state = STATES[self.told["EndpointStatus"]]
        reason = self.told.get("FailureReason", "")
        serving = State.READY if state is State.UPDATING else state
        shown = [(each, serving) for each in (*self.variants, *self.shadows)]
        shown += [(each, State.CREATING) for each in self.pending]
        counts = {
            each["VariantName"]: each.get("CurrentInstanceCount", 0)
            for each in self.told.get("ProductionVariants", ())
        }
        deployments = {
            one.name: replace(one, count=counts.get(one.name) or one.count)
            for one in (_deployment(sagemaker, each, now, reason) for each, now in shown)
        }
        name = self.told["EndpointName"]
        return Endpoint(name, deployments, self.traffic, state, reason, shadow=self.shadow)

    def _initial(self) -> dict[str, float]:
        return {
            each["VariantName"]: each.get("InitialVariantWeight", 1.0) for each in self.variants
        }


def _variants(sagemaker: SageMakerClient, config: str) -> tuple[list[Any], list[Any]]:
    """Return a configuration's production variants and its shadow variants."""
    with translated("sagemaker"):
        found: Mapping[str, Any] = sagemaker.describe_endpoint_config(EndpointConfigName=config)
    return list(found["ProductionVariants"]), list(found.get("ShadowProductionVariants", ()))


def _deployment(
    sagemaker: SageMakerClient, variant: Mapping[str, Any], state: State, reason: str
) -> Deployment:
    """Return a variant as our record; its model has the tags and the time, which it has not."""
    with translated("sagemaker"):
        model = sagemaker.describe_model(ModelName=variant["ModelName"])
        told = sagemaker.list_tags(ResourceArn=model["ModelArn"])["Tags"]
    tags = {tag["Key"]: tag["Value"] for tag in told}
    return Deployment(
        variant["VariantName"],
        state,
        reason if state is State.FAILED else "",
        bundle=tags.get(names.BUNDLE, ""),
        version=tags.get(names.VERSION, ""),
        digest=tags.get(names.DIGEST, ""),
        instance=variant.get("InstanceType", ""),
        count=variant.get("InitialInstanceCount", 0),
        created=model["CreationTime"],
    )
