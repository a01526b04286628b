"""The record of one endpoint, which DescribeEndpoint answers; changed under the cloud's lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.models import FakeEndpoint, SageMakerModelBackend

from tridock.emulators.aws.dataplane.configs import Config, Members, initial_weight
from tridock.emulators.aws.dataplane.live import Key

Summary = dict[str, Any]


class Endpoint(FakeEndpoint):
    """One endpoint as the service describes it.

    Parameters
    ----------
    backend : SageMakerModelBackend
        Account and region.
    name : str
        Endpoint name.
    config : Config
        What it is created from.
    tags : list of dict
        As sent.
    """

    data_capture_config: Any
    failure_reason: Any

    def __init__(
        self,
        backend: SageMakerModelBackend,
        name: str,
        config: Config,
        tags: list[dict[str, str]],
    ) -> None:
        super().__init__(
            account_id=backend.account_id,
            region_name=backend.region_name,
            endpoint_name=name,
            endpoint_config_name=config.name,
            production_variants=[],
            data_capture_config={},
            tags=tags,
        )
        self.key = Key(backend.account_id, backend.region_name, name)
        self.last_deployment_config: Members | None = None
        self.pending: dict[str, Any] | None = None
        self.adopt(config, summaries(config.variants, config.models, status="Creating"))
        self.change("Creating")

    def is_created(self) -> bool:
        """Tell CloudFormation whether its stack may be complete."""
        return bool(self.endpoint_status != "Creating")

    def adopt(self, config: Config, variants: list[Summary]) -> None:
        """Take over `config` and its variants."""
        self.endpoint_config_name = config.name
        self.config = config
        self.production_variants = variants
        self.shadow_production_variants = summaries(config.shadows, config.models)
        self.data_capture_config = capture_summary(config.capture)
        self.async_inference_config = config.asynchronous
        self.explainer_config = config.explainer

    def change(self, status: str, reason: str | None = None) -> None:
        """Move to `status`, with the reason of a failure or none."""
        self.endpoint_status = status
        self.failure_reason = reason
        self.last_modified_time = utcnow()

    def settle(self, reason: str | None = None) -> None:
        """Set the endpoint in service with nothing pending."""
        self.pending = None
        for variant in (*self.production_variants, *self.shadow_production_variants):
            variant.pop("VariantStatus", None)
        self.change("InService", reason)

    def begin_update(self, config: Config, variants: list[Summary]) -> None:
        """Announce the deployment of `config`."""
        self.pending = {
            "EndpointConfigName": config.name,
            "ProductionVariants": variants,
            "StartTime": utcnow(),
            "ShadowProductionVariants": summaries(config.shadows, config.models),
        }
        self.change("Updating")

    def mark_pending(self, status: str) -> None:
        """Set the status of the pending variants, e.g. ``"Baking"``."""
        for variant in (self.pending or {}).get("ProductionVariants", ()):
            variant["VariantStatus"] = [{"Status": status, "StartTime": utcnow()}]

    def begin_weighing(self, desired: Mapping[str, Members]) -> None:
        """Announce new weights and counts; what a variant's request leaves out stays."""
        for variant in self.production_variants:
            changes = desired.get(variant["VariantName"], {})
            for member in ("DesiredWeight", "DesiredInstanceCount"):
                if changes.get(member) is not None:
                    variant[member] = changes[member]
            if variant["VariantName"] in desired:
                variant["VariantStatus"] = [{"Status": "Updating", "StartTime": utcnow()}]
        self.change("Updating")

    def end_weighing(self) -> dict[str, float]:
        """Make the desired weights and counts current, and return the weights."""
        for variant in self.production_variants:
            variant["CurrentWeight"] = variant["DesiredWeight"]
            if "DesiredInstanceCount" in variant:
                variant["CurrentInstanceCount"] = variant["DesiredInstanceCount"]
        return weights(self.production_variants)

    def instance_count(self) -> int:
        """Return the instances of all production variants."""
        return sum(variant.get("CurrentInstanceCount", 1) for variant in self.production_variants)

    @property
    def response_object(self) -> dict[str, Any]:
        """Return what DescribeEndpoint answers, without empty members."""
        members: dict[str, Any] = super().response_object
        members["PendingDeploymentSummary"] = self.pending
        return {name: value for name, value in members.items() if value not in (None, {}, [])}


def summaries(
    variants: Sequence[Members], models: Mapping[str, Members], *, status: str | None = None
) -> list[Summary]:
    """Describe the variants of a configuration.

    Parameters
    ----------
    status : str, optional
        What they go through, e.g. ``"Creating"``.
    """
    return [_summary(variant, models[variant["ModelName"]], status) for variant in variants]


def weights(variants: Sequence[Members]) -> dict[str, float]:
    """Return the current weight by variant."""
    return {variant["VariantName"]: float(variant["CurrentWeight"]) for variant in variants}


def capture_summary(capture: Members | None) -> dict[str, Any] | None:
    """Describe data capture as the service does; None if the configuration has none."""
    if not capture:
        return None
    enabled = capture.get("EnableCapture", True)
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId") or "",
    }


def _summary(variant: Members, container: Members, status: str | None) -> Summary:
    weight, count = initial_weight(variant), variant.get("InitialInstanceCount")
    image, now = container.get("Image"), utcnow()
    made = {
        "VariantName": variant["VariantName"],
        "DeployedImages": [
            {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": now}
        ],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
        "VariantStatus": [{"Status": status, "StartTime": now}] if status else None,
        "CurrentServerlessConfig": variant.get("ServerlessConfig"),
        "DesiredServerlessConfig": variant.get("ServerlessConfig"),
        "ManagedInstanceScaling": variant.get("ManagedInstanceScaling"),
        "RoutingConfig": variant.get("RoutingConfig"),
    }
    return {name: value for name, value in made.items() if value is not None}
