"""Instance types, from the service model that the installed botocore brings."""

from __future__ import annotations

import functools
from typing import Any

from moto.core.utils import get_service_model
from moto.sagemaker.models import FakeEndpointConfig, ModelPackage

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.errors import ValidationError


def install(cloud: Cloud) -> None:
    """Replace moto's own lists, which end about 2020: no ml.g5, ml.m6i, ml.c7i among them."""
    FakeEndpointConfig.validate_instance_type = _hosted  # type: ignore[method-assign]
    realtime = "validate_supported_realtime_inference_instance_types"
    setattr(ModelPackage, realtime, staticmethod(_each_hosted))
    batch = "validate_supported_transform_instance_types"
    setattr(ModelPackage, batch, staticmethod(_each_batch))


@functools.cache
def known(shape: str = "ProductionVariantInstanceType") -> frozenset[str]:
    """Return the values of an enum of SageMaker's, e.g. ``{"ml.m5.large", …}``."""
    found: Any = get_service_model("sagemaker").shape_for(shape)
    return frozenset(found.enum)


def check(value: str, path: str, shape: str = "ProductionVariantInstanceType") -> None:
    """Return if `value` is an instance type.

    Raises
    ------
    ValidationError
        In the service's words, naming `path`.
    """
    if value not in known(shape):
        raise ValidationError(
            f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(sorted(known(shape)))}]"
        )


def _hosted(self: Any, instance_type: str) -> None:
    check(instance_type, "productionVariants.1.member.instanceType")


def _each_hosted(instance_types: list[str]) -> None:
    for instance_type in instance_types:
        check(instance_type, "supportedRealtimeInferenceInstanceTypes")


def _each_batch(instance_types: list[str]) -> None:
    for instance_type in instance_types:
        check(instance_type, "supportedTransformInstanceTypes", "TransformInstanceType")
