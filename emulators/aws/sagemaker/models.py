"""SageMaker models, with the service's checks that moto does not have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from moto.core.responses import ActionResult
from moto.sagemaker.models import Model, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from tridock.emulators.aws.dataplane import artifacts
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.configs import already_exists, deployable, not_found
from tridock.emulators.aws.iam.roles import is_assumable
from tridock.emulators.aws.protocol.calls import replace_methods
from tridock.emulators.aws.protocol.errors import ValidationError
from tridock.emulators.aws.protocol.listing import page

Members = Mapping[str, Any]

#: Members of the request that moto drops.
_KEPT = {
    "EnableNetworkIsolation": "enable_network_isolation",
    "InferenceExecutionConfig": "inference_execution_config",
}


class CheckedModel(Model):
    """A model whose description has no empty members: SDKs' own models reject ``{}``."""

    def is_created(self) -> bool:
        """Tell CloudFormation to go on."""
        return True

    @property
    def response_object(self) -> dict[str, Any]:
        """Return what DescribeModel answers."""
        members: dict[str, Any] = super().response_object
        return {name: value for name, value in members.items() if value not in ({}, [])}


def install(cloud: Cloud) -> None:
    """Put the checks into moto's backend, where CloudFormation passes too."""
    replace_methods(
        SageMakerModelBackend,
        {"create_model": _create, "describe_model": _describe, "delete_model": _delete},
    )
    replace_methods(
        SageMakerResponse, {"create_model": _create_response, "list_models": _list_response}
    )


def _create(
    self: SageMakerModelBackend,
    model_name: str,
    execution_role_arn: str,
    primary_container: dict[str, Any] | None = None,
    vpc_config: dict[str, Any] | None = None,
    containers: list[dict[str, Any]] | None = None,
    tags: list[dict[str, str]] | None = None,
) -> Model:
    if model_name in self._models:
        raise ValidationError(already_exists(self, "model", model_name))
    _check_containers(primary_container, containers)
    if execution_role_arn:
        _check_role(self, execution_role_arn)
    for container in containers or [primary_container or {}]:
        _check_data(self.account_id, deployable(self, container))
    made = CheckedModel(
        account_id=self.account_id,
        region_name=self.region_name,
        model_name=model_name,
        execution_role_arn=execution_role_arn,
        primary_container=primary_container or {},
        vpc_config=vpc_config or {},
        containers=containers or [],
        tags=tags or [],
    )
    self._models[model_name] = made
    return made


def _describe(self: SageMakerModelBackend, model_name: str) -> Model:
    if model_name not in self._models:
        raise ValidationError(not_found(self, "model", model_name))
    return self._models[model_name]


def _delete(self: SageMakerModelBackend, model_name: str) -> None:
    """Delete a model, also one that an endpoint serves: the service allows it."""
    _describe(self, model_name)
    del self._models[model_name]


def _create_response(self: SageMakerResponse) -> ActionResult:
    model = self.sagemaker_backend.create_model(
        model_name=self._get_param("ModelName"),
        execution_role_arn=self._get_param("ExecutionRoleArn"),
        primary_container=self._get_param("PrimaryContainer"),
        vpc_config=self._get_param("VpcConfig"),
        containers=self._get_param("Containers"),
        tags=self._get_param("Tags"),
    )
    for member, attribute in _KEPT.items():
        setattr(model, attribute, self._get_param(member))
    return ActionResult(model.response_create)


def _list_response(self: SageMakerResponse) -> ActionResult:
    items = [model.response_object for model in list(self.sagemaker_backend.list_models())]
    models, token = page(items, "ModelName", self._get_param)
    return ActionResult({"Models": models, "NextToken": token})


def _check_containers(primary: Members | None, several: Sequence[Members] | None) -> None:
    if not primary and not several:
        raise ValidationError("Either PrimaryContainer or Containers must be specified.")
    if primary and several:
        raise ValidationError("PrimaryContainer and Containers cannot both be specified.")
    for container in several or [primary or {}]:
        if not container.get("Image") and not container.get("ModelPackageName"):
            raise ValidationError(
                "Must specify either an Image or a ModelPackageName in a ContainerDefinition."
            )


def _check_role(backend: SageMakerModelBackend, arn: str) -> None:
    """Refuse a role that the service could not take on (reported with BentoML issue 892)."""
    if not is_assumable(backend.account_id, backend.region_name, arn):
        raise ValidationError(
            f'The execution role ARN "{arn}" is invalid. Please ensure that the role exists and '
            'that its trust relationship policy allows the action "sts:AssumeRole" for the '
            'service principal "sagemaker.amazonaws.com".'
        )


def _check_data(account: str, container: Members) -> None:
    """Refuse model data that does not exist (seen in users' reports of CreateModel)."""
    location = artifacts.source(container)
    if not location:
        return
    uri, is_archive = location
    if is_archive and not re.search(r"\.tar\.gz$", uri):
        raise ValidationError(f"Invalid model data URL {uri}. It must be a .tar.gz archive.")
    if not artifacts.exists(account, uri):
        raise ValidationError(f"Could not find model data at {uri}.")
