"""Endpoint configurations and their instance types: stored whole, checked as the service does."""

from __future__ import annotations

import functools
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import get_service_model
from moto.sagemaker.models import FakeEndpointConfig, ModelPackage, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.configs import already_exists, initial_weight, not_found
from tridock.emulators.aws.protocol.calls import replace_methods
from tridock.emulators.aws.protocol.errors import NotImplementedOperationError, ValidationError

Variants = list[dict[str, Any]]

#: Members of the request that moto drops, and the attributes its description is read from.
_KEPT = {
    "ShadowProductionVariants": "shadow_production_variants",
    "ExplainerConfig": "explainer_config",
    "ExecutionRoleArn": "execution_role_arn",
    "EnableNetworkIsolation": "enable_network_isolation",
    "VpcConfig": "vpc_config",
}


class CheckedConfig(FakeEndpointConfig):
    """An endpoint configuration whose description has no empty members."""

    shadow_production_variants: Variants

    def is_created(self) -> bool:
        """Tell CloudFormation to go on."""
        return True

    def validate_production_variants(self, production_variants: Variants) -> None:
        """Check nothing here: `_create` did."""

    @property
    def response_object(self) -> dict[str, Any]:
        """Return what DescribeEndpointConfig answers."""
        members: dict[str, Any] = super().response_object
        return {name: value for name, value in members.items() if value not in ({}, [], None)}


def install(cloud: Cloud) -> None:
    """Add the checks to moto's backend, which CloudFormation uses too."""
    replace_methods(
        SageMakerModelBackend,
        {
            "create_endpoint_config": _create,
            "describe_endpoint_config": _describe,
            "delete_endpoint_config": _delete,
        },
    )
    replace_methods(SageMakerResponse, {"create_endpoint_config": _create_response})


def _create(
    self: SageMakerModelBackend,
    endpoint_config_name: str,
    production_variants: Variants,
    data_capture_config: dict[str, Any] | None = None,
    async_inference_config: dict[str, Any] | None = None,
    tags: list[dict[str, str]] | None = None,
    kms_key_id: str | None = None,
) -> FakeEndpointConfig:
    if endpoint_config_name in self.endpoint_configs:
        raise ValidationError(already_exists(self, "endpoint-config", endpoint_config_name))
    _check_variants(self, production_variants)
    made = CheckedConfig(
        account_id=self.account_id,
        region_name=self.region_name,
        endpoint_config_name=endpoint_config_name,
        production_variants=_with_weights(production_variants),
        async_inference_config=async_inference_config or {},
        data_capture_config=data_capture_config or {},
        tags=tags or [],
        kms_key_id=kms_key_id or "",
    )
    self.endpoint_configs[endpoint_config_name] = made
    return made


def _describe(self: SageMakerModelBackend, endpoint_config_name: str) -> dict[str, Any]:
    if endpoint_config_name not in self.endpoint_configs:
        raise ValidationError(not_found(self, "endpoint-config", endpoint_config_name))
    members: dict[str, Any] = self.endpoint_configs[endpoint_config_name].response_object
    return members


def _delete(self: SageMakerModelBackend, endpoint_config_name: str) -> None:
    _describe(self, endpoint_config_name)
    del self.endpoint_configs[endpoint_config_name]


def _create_response(self: SageMakerResponse) -> ActionResult:
    shadows = self._get_param("ShadowProductionVariants")
    variants = self._get_param("ProductionVariants")
    if shadows:
        _check_shadows(self.sagemaker_backend, variants, shadows)
    made: Any = self.sagemaker_backend.create_endpoint_config(
        endpoint_config_name=self._get_param("EndpointConfigName"),
        production_variants=variants,
        data_capture_config=self._get_param("DataCaptureConfig"),
        async_inference_config=self._get_param("AsyncInferenceConfig"),
        tags=self._get_param("Tags"),
        kms_key_id=self._get_param("KmsKeyId"),
    )
    for member, attribute in _KEPT.items():
        setattr(made, attribute, self._get_param(member))
    made.shadow_production_variants = _with_weights(shadows or [])
    return ActionResult({"EndpointConfigArn": made.endpoint_config_arn})


def _check_variants(backend: SageMakerModelBackend, variants: Variants) -> None:
    names = [variant["VariantName"] for variant in variants]
    for name in names:
        if names.count(name) > 1:
            raise ValidationError(f'Variant name "{name}" is not unique within the request.')
    for variant in variants:
        if not variant.get("ModelName"):
            raise NotImplementedOperationError(
                "sagemaker:CreateEndpointConfig with a variant for inference components"
            )
        if variant["ModelName"] not in backend._models:
            raise ValidationError(not_found(backend, "model", variant["ModelName"]))
        _check_capacity(variant)


def _check_capacity(variant: dict[str, Any]) -> None:
    serverless, instance = variant.get("ServerlessConfig"), variant.get("InstanceType")
    if bool(serverless) == bool(instance):
        raise ValidationError(
            f"Variant {variant['VariantName']}: exactly one of InstanceType and ServerlessConfig "
            "must be specified."
        )
    if serverless and serverless["MemorySizeInMB"] % 1024:
        raise ValidationError(
            f"1 validation error detected: Value '{serverless['MemorySizeInMB']}' at "
            "'productionVariants.1.member.serverlessConfig.memorySizeInMB' failed to satisfy "
            "constraint: Member must satisfy enum value set: [1024, 2048, 3072, 4096, 5120, 6144]"
        )
    if instance:
        check_instance_type(instance, "productionVariants.1.member.instanceType")
    if instance and not variant.get("InitialInstanceCount"):
        raise ValidationError(
            f"Variant {variant['VariantName']}: InitialInstanceCount must be specified."
        )


def _check_shadows(backend: SageMakerModelBackend, variants: Variants, shadows: Variants) -> None:
    """Check the service's rule for shadows (API reference, CreateEndpointConfig)."""
    if len(variants) != 1 or len(shadows) != 1:
        raise ValidationError(
            "If you use ShadowProductionVariants, you can specify only one variant in "
            "ProductionVariants and only one variant in ShadowProductionVariants."
        )
    _check_variants(backend, [*variants, *shadows])


def _with_weights(variants: Variants) -> Variants:
    return [{**variant, "InitialVariantWeight": initial_weight(variant)} for variant in variants]


def install_instance_types(cloud: Cloud) -> None:
    """Replace moto's own lists, which end about 2020, by those of the installed botocore."""
    FakeEndpointConfig.validate_instance_type = _hosted  # type: ignore[method-assign]
    realtime = "validate_supported_realtime_inference_instance_types"
    setattr(ModelPackage, realtime, staticmethod(_each_hosted))
    batch = "validate_supported_transform_instance_types"
    setattr(ModelPackage, batch, staticmethod(_each_batch))


@functools.cache
def instance_types(shape: str = "ProductionVariantInstanceType") -> frozenset[str]:
    """Return the values of an enum of SageMaker's, e.g. ``{"ml.m5.large", …}``."""
    enumeration: Any = get_service_model("sagemaker").shape_for(shape)
    return frozenset(enumeration.enum)


def check_instance_type(
    value: str, path: str, shape: str = "ProductionVariantInstanceType"
) -> None:
    """Return if `value` is an instance type.

    Raises
    ------
    ValidationError
        With the service's message, which names `path`.
    """
    known = instance_types(shape)
    if value not in known:
        raise ValidationError(
            f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(sorted(known))}]"
        )


def _hosted(self: Any, instance_type: str) -> None:
    check_instance_type(instance_type, "productionVariants.1.member.instanceType")


def _each_hosted(instance_types: list[str]) -> None:
    for instance_type in instance_types:
        check_instance_type(instance_type, "supportedRealtimeInferenceInstanceTypes")


def _each_batch(instance_types: list[str]) -> None:
    for instance_type in instance_types:
        check_instance_type(
            instance_type, "supportedTransformInstanceTypes", "TransformInstanceType"
        )
