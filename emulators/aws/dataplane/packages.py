"""Model packages: found by name or ARN, and made into what a container needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from moto.sagemaker.models import ModelPackage, SageMakerModelBackend
from moto.sagemaker.utils import arn_formatter

from tridock.emulators.aws.protocol.errors import ValidationError

Members = Mapping[str, Any]


def find(self: SageMakerModelBackend, model_package_name: str) -> ModelPackage:
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
    package = find(backend, name)
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
    """Say that a version has no tags (in a user's report: aws-cdk, issue 33699)."""
    raise ValidationError(
        "Tags are not supported in Model Package versions. Please add them to the Model Package "
        "Group"
    )


def arn_of(backend: SageMakerModelBackend, kind: str, name: str) -> str:
    """Return the ARN of a thing in the account and region of `backend`."""
    return arn_formatter(kind, name, backend.account_id, backend.region_name)
