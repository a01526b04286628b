"""The model registry: versions with all their members, approval, deletion, and tags."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.models import ModelPackage, ModelPackageGroup, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.configs import arn_of, find_package, refuse_tags
from tridock.emulators.aws.protocol.errors import AwsError, ValidationError

#: Members of the requests that moto has no attribute for. They are described as they were given.
_KEPT = (
    "ModelCard",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
    "SecurityConfig",
    "SkipModelValidation",
    "SourceUri",
)
_UPDATED = {
    "ApprovalDescription": "approval_description",
    "InferenceSpecification": "inference_specification",
}

#: Tags of a resource at most (API reference, AddTags: it adds or overwrites them).
MOST_TAGS = 50


def install(cloud: Cloud) -> None:
    """Complete moto's registry."""
    create = SageMakerModelBackend.create_model_package
    SageMakerModelBackend.create_model_package = _counted(create)  # type: ignore[method-assign]
    group = SageMakerModelBackend.create_model_package_group
    SageMakerModelBackend.create_model_package_group = _unique(group)  # type: ignore[method-assign]
    SageMakerModelBackend.describe_model_package = find_package  # type: ignore[method-assign]
    describe = ModelPackage.gen_response_object
    ModelPackage.gen_response_object = _with_kept(describe)  # type: ignore[method-assign]
    response = SageMakerResponse.create_model_package
    SageMakerResponse.create_model_package = _keeping(response)  # type: ignore[method-assign]
    SageMakerResponse.update_model_package = _update  # type: ignore[method-assign]
    for operation in (_delete_model_package, _delete_model_package_group):
        setattr(SageMakerResponse, operation.__name__[1:], operation)


def _counted(create: Callable[..., str]) -> Callable[..., str]:
    """Count versions upward: the number of a deleted version is not used again.

    The same call twice, by its token, is one version.
    """

    def create_model_package(self: SageMakerModelBackend, **members: Any) -> str:
        group_name = members["model_package_group_name"]
        if not group_name:
            return create(self, **members)
        name = re.sub(r"^arn:.*/", "", group_name)
        if name not in self.model_package_groups:
            raise ValidationError(
                f"ModelPackageGroup {arn_of(self, 'model-package-group', name)} does not exist."
            )
        if members["tags"]:
            refuse_tags()
        made = _made_before(self, name, members["client_token"])
        if made:
            return made
        members["model_package_group_name"] = name
        members["model_approval_status"] = (
            members["model_approval_status"] or "PendingManualApproval"
        )
        arn = create(self, **members)
        group = self.model_package_groups[name]
        return _renumber(self, arn, group)

    return create_model_package


def _made_before(self: SageMakerModelBackend, group: str, token: str | None) -> str | None:
    """Return the version that a call with the same ``ClientToken`` made."""
    packages = self.model_packages.values()
    made = [package for package in packages if package.model_package_group_name == group]
    return next((package.arn for package in made if token and package.client_token == token), None)


def _renumber(self: SageMakerModelBackend, arn: str, group: ModelPackageGroup) -> str:
    package = self.model_packages.pop(arn)
    version = getattr(group, "last_version", 0) + 1
    setattr(group, "last_version", version)  # noqa: B010 - moto's class does not declare it
    package.model_package_version = version
    package.arn = f"{arn.rpartition('/')[0]}/{version}"
    for details in package.model_package_status_details.values():
        details[0]["Name"] = package.arn
    for name in (package.model_package_name, package.arn):
        self.model_package_name_mapping[name] = package.arn
    self.model_packages[package.arn] = package
    return package.arn


def _unique(create: Callable[..., str]) -> Callable[..., str]:
    def create_model_package_group(
        self: SageMakerModelBackend, model_package_group_name: str, **members: Any
    ) -> str:
        if model_package_group_name in self.model_package_groups:
            arn = arn_of(self, "model-package-group", model_package_group_name)
            raise ValidationError(f"Model Package Group already exists: {arn}")
        return create(self, model_package_group_name=model_package_group_name, **members)

    return create_model_package_group


def _with_kept(describe: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def gen_response_object(self: ModelPackage) -> dict[str, Any]:
        return {**describe(self), **getattr(self, "kept", {})}

    return gen_response_object


def _keeping(create: Callable[..., ActionResult]) -> Callable[..., ActionResult]:
    def create_model_package(self: SageMakerResponse) -> ActionResult:
        result = create(self)
        package = find_package(self.sagemaker_backend, dict(result.result)["ModelPackageArn"])  # type: ignore[call-overload]
        _keep(self, package)
        return result

    return create_model_package


def _keep(self: SageMakerResponse, package: ModelPackage) -> None:
    given = {name: self._get_param(name) for name in _KEPT}
    kept = {name: value for name, value in given.items() if value is not None}
    package.__dict__["kept"] = {**getattr(package, "kept", {}), **kept}


def _update(self: SageMakerResponse) -> ActionResult:
    """Change what the request names, and nothing else (moto clears what it does not name)."""
    package = find_package(self.sagemaker_backend, self._get_param("ModelPackageArn"))
    status = self._get_param("ModelApprovalStatus")
    if status:
        package.set_model_approval_status(status)
    for member, attribute in _UPDATED.items():
        if self._get_param(member) is not None:
            setattr(package, attribute, self._get_param(member))
    more = self._get_param("AdditionalInferenceSpecificationsToAdd")
    if more:
        package.add_additional_inference_specifications(more)
    properties = dict(package.customer_metadata_properties or {})
    properties |= self._get_param("CustomerMetadataProperties", {})
    for name in self._get_param("CustomerMetadataPropertiesToRemove", []):
        properties.pop(name, None)
    package.customer_metadata_properties = properties or None
    _keep(self, package)
    package.modifications_done()
    return ActionResult({"ModelPackageArn": package.arn})


def _delete_model_package(self: SageMakerResponse) -> ActionResult:
    backend = self.sagemaker_backend
    package = find_package(backend, self._get_param("ModelPackageName"))
    del backend.model_packages[package.arn]
    mapping = backend.model_package_name_mapping
    for name in [name for name, arn in mapping.items() if arn == package.arn]:
        del mapping[name]
    return EmptyResult()


def _delete_model_package_group(self: SageMakerResponse) -> ActionResult:
    backend = self.sagemaker_backend
    name = re.sub(r"^arn:.*/", "", self._get_param("ModelPackageGroupName"))
    group = backend.describe_model_package_group(name)
    packages = list(backend.model_packages.values())
    if any(package.model_package_group_name == name for package in packages):
        raise AwsError(
            "ConflictException",
            f"Model Package Group {group.arn} cannot be deleted because it still contains "
            "Model Packages",
        )
    del backend.model_package_groups[name]
    return EmptyResult()


def install_tags(cloud: Cloud) -> None:
    """Complete moto's tags."""
    find = SageMakerModelBackend._get_resource_from_arn
    SageMakerModelBackend._get_resource_from_arn = _tagged(find)  # type: ignore[method-assign]
    SageMakerModelBackend.add_tags = add_tags  # type: ignore[method-assign]


def add_tags(
    self: SageMakerModelBackend, arn: str, tags: list[dict[str, str]]
) -> list[dict[str, str]]:
    """Add tags, in the place of those with the same keys; all of them or none."""
    resource = self._get_resource_from_arn(arn)
    standing = {tag["Key"]: tag for tag in [*(resource.tags or ()), *tags]}
    if len(standing) > MOST_TAGS:
        raise AwsError(
            "ResourceLimitExceeded", f"{arn} has more than {MOST_TAGS} tags.", status=400
        )
    resource.tags = list(standing.values())
    return list(resource.tags)


def _tagged(find: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a resource that does not exist (moto fails with an attribute of None)."""

    def _get_resource_from_arn(self: SageMakerModelBackend, arn: str) -> Any:
        kind, _, name = arn.rpartition(":")[2].partition("/")
        if kind == "model-package" and "/" in name:
            refuse_tags()
        try:
            resource = find(self, arn)
        except (AttributeError, ValueError):  # a kind that has no tags here
            resource = None
        if resource is None:
            raise ValidationError(f'Could not find {kind} "{arn}".')
        return resource

    return _get_resource_from_arn
