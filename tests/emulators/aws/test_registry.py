"""The model registry, asked with boto3."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulators.aws.hosting import BUCKET, IMAGE, ROLE, Hosting, variant


@pytest.fixture
def group(sagemaker: Any) -> str:
    name = f"group-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model_package_group(
        ModelPackageGroupName=name, ModelPackageGroupDescription="flowers"
    )
    return name


def _register(sagemaker: Any, group: str, **more: Any) -> str:
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/logistic/model.tar.gz"}
    made: str = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
            "SupportedRealtimeInferenceInstanceTypes": ["ml.m7i.large", "ml.g6.xlarge"],
            "SupportedTransformInstanceTypes": ["ml.m6i.large"],
        },
        **more,
    )["ModelPackageArn"]
    return made


def _versions(sagemaker: Any, group: str, **more: Any) -> list[int]:
    listed = sagemaker.list_model_packages(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Ascending", **more
    )["ModelPackageSummaryList"]
    return [package["ModelPackageVersion"] for package in listed]


def test_versions_count_up_and_a_deleted_number_is_not_given_again(
    sagemaker: Any, group: str
) -> None:
    arns = [_register(sagemaker, group) for _ in range(2)]
    assert [arn.rpartition("/")[2] for arn in arns] == ["1", "2"]
    sagemaker.delete_model_package(ModelPackageName=arns[1])
    assert _register(sagemaker, group).endswith(f"{group}/3")
    assert _versions(sagemaker, group) == [1, 3]
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package(ModelPackageName=arns[1])


def test_what_was_said_of_a_version_is_described(sagemaker: Any, group: str) -> None:
    said = {
        "CustomerMetadataProperties": {"digest": "abc", "commit": "def"},
        "MetadataProperties": {"CommitId": "def", "Repository": "flowers"},
        "ModelMetrics": {
            "ModelQuality": {
                "Statistics": {"ContentType": "application/json", "S3Uri": "s3://models/q.json"}
            }
        },
        "Domain": "MACHINE_LEARNING",
        "Task": "CLASSIFICATION",
        "SourceUri": "s3://models/logistic/",
    }
    arn = _register(sagemaker, group, **said)
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    assert {name: described[name] for name in said} == said
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    assert described["ModelPackageStatus"] == "Completed"


def test_approval_changes_nothing_else(sagemaker: Any, group: str) -> None:
    arn = _register(sagemaker, group, CustomerMetadataProperties={"a": "1", "b": "2"})
    sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="looked at it"
    )
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"c": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    assert described["CustomerMetadataProperties"] == {"b": "2", "c": "3"}
    assert described["ApprovalDescription"] == "looked at it"
    assert _versions(sagemaker, group, ModelApprovalStatus="Approved") == [1]
    assert _versions(sagemaker, group, ModelApprovalStatus="Rejected") == []


def test_the_same_call_twice_is_one_version(sagemaker: Any, group: str) -> None:
    arns = {_register(sagemaker, group, ClientToken="once") for _ in range(2)}
    assert len(arns | {_register(sagemaker, group, ClientToken="again")}) == 2
    assert _versions(sagemaker, group) == [1, 2]


def test_a_tag_of_a_group_is_overwritten_and_versions_have_none(sagemaker: Any, group: str) -> None:
    version = _register(sagemaker, group)
    arn = sagemaker.describe_model_package_group(ModelPackageGroupName=group)[
        "ModelPackageGroupArn"
    ]
    for value in ("1", "2"):
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "alias", "Value": value}])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "alias", "Value": "2"}]
    tags = [{"Key": "alias", "Value": "3"}]
    with pytest.raises(ClientError, match="not supported in Model Package versions"):
        sagemaker.add_tags(ResourceArn=version, Tags=tags)
    with pytest.raises(ClientError, match="not supported in Model Package versions"):
        _register(sagemaker, group, Tags=tags)
    with pytest.raises(ClientError, match="Could not find model-package-group"):
        sagemaker.add_tags(ResourceArn=f"{arn}-of-nobody", Tags=tags)
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    with pytest.raises(ClientError, match="more than 50 tags"):
        sagemaker.add_tags(ResourceArn=arn, Tags=many)


def test_a_group_is_deleted_only_when_it_is_empty(sagemaker: Any, group: str) -> None:
    arn = _register(sagemaker, group)
    with pytest.raises(ClientError, match="it still contains Model Packages") as refused:
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    assert refused.value.response["Error"]["Code"] == "ConflictException"
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package_group(ModelPackageGroupName=group)


def test_names_are_unique_and_groups_must_exist(sagemaker: Any, group: str) -> None:
    with pytest.raises(ClientError, match="Model Package Group already exists"):
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="ModelPackageGroup .* does not exist"):
        _register(sagemaker, "nobody-s")


def test_only_an_approved_version_is_deployed_and_it_predicts(
    sagemaker: Any, group: str, hosting: Hosting
) -> None:
    arn = _register(sagemaker, group)
    model = {
        "ModelName": group,
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"ModelPackageName": arn},
    }
    with pytest.raises(ClientError, match="only Approved versions"):
        sagemaker.create_model(**model)
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    sagemaker.create_model(**model)
    name = hosting.serve(variant("A", group))
    assert hosting.score(name)["Body"].strip() == b"0"


@pytest.mark.parametrize("instance_type", ["ml.g5.xlarge", "ml.m6i.large", "ml.inf2.xlarge"])
def test_an_instance_type_of_today_is_taken(
    sagemaker: Any, models: tuple[str, ...], instance_type: str
) -> None:
    name = f"config-{uuid.uuid4().hex[:8]}"
    config = [variant("A", "logistic", InstanceType=instance_type)]
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=config)
    described = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert described["ProductionVariants"][0]["InstanceType"] == instance_type
