"""Endpoint configurations and model packages as plain values that no later call can change."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from moto.sagemaker.models import ModelPackage, SageMakerModelBackend
from moto.sagemaker.utils import arn_formatter

from tridock.emulators.aws.protocol.errors import ValidationError

Members = Mapping[str, Any]


@dataclass(frozen=True)
class Config:
    """An endpoint configuration together with the models it names.

    Attributes
    ----------
    name : str
        Of the endpoint configuration.
    variants, shadows : tuple of Mapping
        ``ProductionVariants`` and ``ShadowProductionVariants`` as the API names their members.
    models : Mapping[str, Members]
        Container definition by model name.
    capture, asynchronous, explainer : Mapping or None
        ``DataCaptureConfig``, ``AsyncInferenceConfig``, ``ExplainerConfig``.
    """

    name: str
    variants: tuple[Members, ...]
    shadows: tuple[Members, ...]
    models: Mapping[str, Members]
    capture: Members | None = None
    asynchronous: Members | None = None
    explainer: Members | None = None

    def weights(self) -> dict[str, float]:
        """Return the initial weight of each production variant."""
        return {variant["VariantName"]: initial_weight(variant) for variant in self.variants}


def initial_weight(variant: Members) -> float:
    """Return a variant's ``InitialVariantWeight``, 1.0 if it has none (API reference)."""
    weight = variant.get("InitialVariantWeight")
    return 1.0 if weight is None else float(weight)


def read_config(backend: SageMakerModelBackend, name: str) -> Config:
    """Copy an endpoint configuration and its models.

    Raises
    ------
    ValidationError
        If the configuration or one of its models does not exist (any more).
    """
    record = backend.endpoint_configs.get(name)
    if record is None:
        raise ValidationError(not_found(backend, "endpoint-config", name))
    variants = tuple(copy.deepcopy(record.production_variants))
    shadows = tuple(copy.deepcopy(getattr(record, "shadow_production_variants", None) or ()))
    names = {variant["ModelName"] for variant in (*variants, *shadows)}
    return Config(
        name,
        variants,
        shadows,
        {model: _container(backend, model) for model in names},
        copy.deepcopy(record.data_capture_config) or None,
        copy.deepcopy(record.async_inference_config) or None,
        copy.deepcopy(getattr(record, "explainer_config", None)) or None,
    )


_NOUNS = {"endpoint-config": "endpoint configuration"}


def not_found(backend: SageMakerModelBackend, kind: str, name: str) -> str:
    """Return the service's message for a resource that does not exist."""
    arn = arn_formatter(kind, name, backend.account_id, backend.region_name)
    return f'Could not find {_NOUNS.get(kind, kind)} "{arn}".'


def already_exists(backend: SageMakerModelBackend, kind: str, name: str) -> str:
    """Return the service's message for a name that is taken."""
    arn = arn_formatter(kind, name, backend.account_id, backend.region_name)
    return f'Cannot create already existing {_NOUNS.get(kind, kind)} "{arn}".'


def _container(backend: SageMakerModelBackend, name: str) -> Members:
    model = backend._models.get(name)
    if model is None:
        raise ValidationError(not_found(backend, "model", name))
    container: Members = copy.deepcopy(model.primary_container or model.containers[0])
    return deployable(backend, container)


def find_package(self: SageMakerModelBackend, model_package_name: str) -> ModelPackage:
    """Return a package by its name or ARN.

    Raises
    ------
    ValidationError
        If there is none.
    """
    arn = self.model_package_name_mapping.get(model_package_name, model_package_name)
    if arn not in self.model_packages:
        arn = arn if ":" in arn else arn_of(self, "model-package", arn)
        raise ValidationError(f"ModelPackage {arn} does not exist.")
    return self.model_packages[arn]


def deployable(backend: SageMakerModelBackend, container: Members) -> dict[str, Any]:
    """Return `container` with the image and model data of the package it names, if it names one.

    Raises
    ------
    ValidationError
        If there is no such package, or it is a version that is not approved: "the value must be
        Approved to deploy the model" (API reference, CreateModelPackage, ModelApprovalStatus).
    """
    name = container.get("ModelPackageName")
    if not name:
        return dict(container)
    package = find_package(backend, name)
    if package.model_package_version and package.model_approval_status != "Approved":
        raise ValidationError(
            f"Cannot create a model from ModelPackage {package.arn}: its ModelApprovalStatus is "
            f"{package.model_approval_status}, and only Approved versions can be deployed."
        )
    specified = ((package.inference_specification or {}).get("Containers") or [{}])[0]
    environment = {**specified.get("Environment", {}), **container.get("Environment", {})}
    own = {name: value for name, value in container.items() if name != "ModelPackageName"}
    return {**specified, **own, "Environment": environment}


def refuse_tags() -> NoReturn:
    """Raise the error of tags on a version (in a user's report: aws-cdk, issue 33699)."""
    raise ValidationError(
        "Tags are not supported in Model Package versions. Please add them to the Model Package "
        "Group"
    )


def arn_of(backend: SageMakerModelBackend, kind: str, name: str) -> str:
    """Return the ARN of a resource in the account and region of `backend`."""
    return arn_formatter(kind, name, backend.account_id, backend.region_name)
