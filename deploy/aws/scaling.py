"""Variants whose number of instances follows their requests: Application Auto Scaling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tridock.deploy.aws.errors import translated
from tridock.deploy.target.records import Scaling

SERVICE = "application-autoscaling"
#: "Amazon SageMaker AI and Application Auto Scaling", Application Auto Scaling User Guide.
NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
METRICS = {
    "requests": "SageMakerVariantInvocationsPerInstance",
    "concurrency": "SageMakerVariantConcurrentRequestsPerModelHighResolution",
}
POLICY = "tridock"


@dataclass(frozen=True)
class Scalings:
    """Scaling of endpoints' variants, in Application Auto Scaling.

    Attributes
    ----------
    client : ApplicationAutoScalingClient
        Of boto3.
    """

    client: Any

    def of(self, endpoint: str, variants: Iterable[str]) -> Mapping[str, Scaling]:
        """Return the scaling of those variants that have one of ours."""
        names = {resource(endpoint, variant): variant for variant in variants}
        targets = self._targets(list(names)) if names else []
        if not targets:
            return {}
        policies = self._policies()
        return {
            names[target["ResourceId"]]: _scaling(target, policies[target["ResourceId"]])
            for target in targets
            if target["ResourceId"] in policies
        }

    def put(self, endpoint: str, variant: str, scaling: Scaling) -> None:
        """Let a variant's instances follow its requests; the same again is the same."""
        place = _place(resource(endpoint, variant))
        with translated(SERVICE):
            self.client.register_scalable_target(
                **place, MinCapacity=scaling.minimum, MaxCapacity=scaling.maximum
            )
            followed = {"PredefinedMetricType": METRICS[scaling.metric]}
            self.client.put_scaling_policy(
                **place,
                PolicyName=POLICY,
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration={
                    "TargetValue": float(scaling.target),
                    "PredefinedMetricSpecification": followed,
                },
            )

    def end(self, endpoint: str, going: Callable[[str], bool]) -> None:
        """Let the variants that are `going` keep the number they have. None is success.

        A target goes with its policies, and those with their alarms.
        """
        start = resource(endpoint, "")
        for target in self._targets([]):
            name = target["ResourceId"]
            if name.startswith(start) and going(name.removeprefix(start)):
                place = _place(name)
                with translated(SERVICE):
                    self.client.deregister_scalable_target(**place)

    def every(self) -> list[tuple[str, str]]:
        """Return the endpoints and variants that have a scaling of ours, there or not."""
        policies = self._policies()
        split = [
            target["ResourceId"].split("/")
            for target in self._targets([])
            if target["ResourceId"] in policies
        ]
        return [(parts[1], parts[3]) for parts in split]

    def _targets(self, names: list[str]) -> list[Mapping[str, Any]]:
        """Return the scalable targets of these names, or all of SageMaker's."""
        chosen = {"ResourceIds": names} if names else {}
        pages = self.client.get_paginator("describe_scalable_targets")
        with translated(SERVICE):
            listed = list(pages.paginate(ServiceNamespace=NAMESPACE, **chosen))
        return [one for page in listed for one in page["ScalableTargets"] if _is_ours(one)]

    def _policies(self) -> Mapping[str, Mapping[str, Any]]:
        pages = self.client.get_paginator("describe_scaling_policies")
        with translated(SERVICE):
            listed = list(pages.paginate(ServiceNamespace=NAMESPACE))
        every = [one for page in listed for one in page["ScalingPolicies"]]
        return {one["ResourceId"]: one for one in every if one["PolicyName"] == POLICY}


def resource(endpoint: str, variant: str) -> str:
    """Return what Application Auto Scaling calls a variant."""
    return f"endpoint/{endpoint}/variant/{variant}"


def _place(name: str) -> dict[str, str]:
    return {"ServiceNamespace": NAMESPACE, "ResourceId": name, "ScalableDimension": DIMENSION}


def _is_ours(target: Mapping[str, Any]) -> bool:
    """Tell the instances of variants from what else SageMaker scales."""
    return bool(target["ScalableDimension"] == DIMENSION)


def _scaling(target: Mapping[str, Any], policy: Mapping[str, Any]) -> Scaling:
    configuration = policy["TargetTrackingScalingPolicyConfiguration"]
    followed = configuration["PredefinedMetricSpecification"]["PredefinedMetricType"]
    metric = next(ours for ours, theirs in METRICS.items() if theirs == followed)
    return Scaling(
        target["MinCapacity"], target["MaxCapacity"], metric, int(configuration["TargetValue"])
    )
