"""The life of an endpoint, judged by boto3."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulators.aws.hosting import (
    BUCKET,
    IMAGE,
    ROLE,
    Aws,
    Hosting,
    control,
    eventually,
    variant,
)
from tridock.inference.bundle.archive import unpack


def test_an_endpoint_is_creating_and_answers_nobody_before_it_is_in_service(
    hosting: Hosting,
) -> None:
    name = hosting.create(variant("V", "logistic"))
    assert hosting.describe(name)["EndpointStatus"] == "Creating"
    with pytest.raises(ClientError, match=f"Endpoint {name} of account 123456789012 not found"):
        hosting.score(name)
    assert hosting.settle(name)["EndpointStatus"] == "InService"
    assert hosting.score(name)["Body"] == b"0\n"


def test_description_tells_weights_counts_images_and_capture(hosting: Hosting) -> None:
    name = hosting.serve(
        variant("A", "logistic", 0),
        variant("B", "tree", 0.5, InitialInstanceCount=2),
        DataCaptureConfig={
            "InitialSamplingPercentage": 50,
            "DestinationS3Uri": f"s3://{BUCKET}/described",
            "CaptureOptions": [{"CaptureMode": "Input"}],
        },
    )
    seen = hosting.describe(name)
    first, second = seen["ProductionVariants"]
    assert (first["CurrentWeight"], first["DesiredWeight"]) == (0, 0)
    assert (second["CurrentInstanceCount"], second["DesiredInstanceCount"]) == (2, 2)
    assert first["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert seen["DataCaptureConfig"]["CaptureStatus"] == "Started"
    assert seen["DataCaptureConfig"]["CurrentSamplingPercentage"] == 50
    assert "FailureReason" not in seen


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("broken", r"did not pass the ping health check.*no manifest\.json"),
        ("nonsense", r"Failed to extract model data archive for container"),
    ],
)
def test_an_endpoint_that_cannot_serve_fails_with_the_reason(
    hosting: Hosting, sagemaker: Any, model: str, words: str
) -> None:
    name = hosting.create(variant("V", model))
    seen = hosting.settle(name)
    assert seen["EndpointStatus"] == "Failed"
    assert re.search(words, seen["FailureReason"], re.DOTALL)
    with pytest.raises(ClientError, match="Cannot update failed endpoint"):
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=seen["EndpointConfigName"])
    sagemaker.delete_endpoint(EndpointName=name)


def test_model_data_that_is_deleted_meanwhile_fails_the_endpoint(
    hosting: Hosting, sagemaker: Any, s3: Any
) -> None:
    source = {"Bucket": BUCKET, "Key": "logistic/model.tar.gz"}
    s3.copy_object(Bucket=BUCKET, Key="gone/model.tar.gz", CopySource=source)
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/gone/model.tar.gz"}
    sagemaker.create_model(ModelName="gone", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    s3.delete_object(Bucket=BUCKET, Key="gone/model.tar.gz")
    seen = hosting.settle(hosting.create(variant("V", "gone")))
    assert seen["EndpointStatus"] == "Failed"
    assert "Failed to download model data for container" in seen["FailureReason"]


def test_uncompressed_model_data_is_served(
    hosting: Hosting, sagemaker: Any, s3: Any, archives: Any, tmp_path: Any
) -> None:
    unpack(archives["tree"], tmp_path)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            s3.upload_file(str(file), BUCKET, f"plain/{file.relative_to(tmp_path)}")
    source = {
        "S3Uri": f"s3://{BUCKET}/plain/",
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    sagemaker.create_model(
        ModelName="plain",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "ModelDataSource": {"S3DataSource": source}},
    )
    assert hosting.score(hosting.serve(variant("V", "plain")))["Body"] == b"0\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ExecutionRoleArn": ROLE + "-nobody"}, "The execution role ARN .* is invalid"),
        (
            {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://models/no/model.tar.gz"}},
            "Could not find model data at s3://models/no/model.tar.gz",
        ),
        (
            {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://models/no/model.zip"}},
            "must be a .tar.gz",
        ),
        (
            {"PrimaryContainer": {"Mode": "SingleModel"}},
            "Must specify either an Image or a ModelPackageName",
        ),
        ({"ModelName": "logistic"}, 'Cannot create already existing model "arn:aws:sagemaker'),
    ],
)
def test_a_model_the_service_would_refuse_is_refused(
    sagemaker: Any, models: tuple[str, ...], change: dict[str, Any], words: str
) -> None:
    sound = {
        "ModelName": "refused",
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE},
    }
    with pytest.raises(ClientError, match=words) as refused:
        sagemaker.create_model(**(sound | change))
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_descriptions_have_no_empty_members(hosting: Hosting, sagemaker: Any) -> None:
    config = hosting.config(variant("V", "logistic"))
    for described in (
        sagemaker.describe_model(ModelName="logistic"),
        sagemaker.describe_endpoint_config(EndpointConfigName=config),
    ):
        assert {} not in described.values()
        assert [] not in described.values()


def test_a_config_keeps_what_moto_drops(hosting: Hosting, sagemaker: Any) -> None:
    config = hosting.config(
        variant("V", "logistic", ContainerStartupHealthCheckTimeoutInSeconds=120),
        ShadowProductionVariants=[variant("S", "tree", 0.5)],
        ExecutionRoleArn=ROLE,
        EnableNetworkIsolation=True,
    )
    seen = sagemaker.describe_endpoint_config(EndpointConfigName=config)
    assert seen["ShadowProductionVariants"][0]["InitialVariantWeight"] == 0.5
    assert seen["ProductionVariants"][0]["ContainerStartupHealthCheckTimeoutInSeconds"] == 120
    assert (seen["ExecutionRoleArn"], seen["EnableNetworkIsolation"]) == (ROLE, True)


def test_a_config_of_an_unknown_model_or_a_taken_name_is_refused(
    hosting: Hosting, sagemaker: Any
) -> None:
    with pytest.raises(ClientError, match='Could not find model "arn:aws:sagemaker:.*model/none"'):
        hosting.config(variant("V", "none"))
    with pytest.raises(ClientError, match="exactly one of InstanceType and ServerlessConfig"):
        hosting.config({"VariantName": "V", "ModelName": "logistic"})
    taken = hosting.config(variant("V", "logistic", InstanceType="ml.g6.xlarge"))
    with pytest.raises(ClientError, match="Cannot create already existing endpoint configuration"):
        sagemaker.create_endpoint_config(
            EndpointConfigName=taken, ProductionVariants=[variant("V", "logistic")]
        )


def test_an_endpoint_of_an_unknown_config_or_a_taken_name_is_refused(
    sagemaker: Any, shared: str
) -> None:
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        sagemaker.create_endpoint(EndpointName="new", EndpointConfigName="none")
    config = sagemaker.describe_endpoint(EndpointName=shared)["EndpointConfigName"]
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        sagemaker.create_endpoint(EndpointName=shared, EndpointConfigName=config)


def test_changing_weights_takes_a_while_and_keeps_what_is_not_sent(
    hosting: Hosting, sagemaker: Any
) -> None:
    name = hosting.serve(variant("A", "logistic", 1, InitialInstanceCount=3), variant("B", "tree"))
    moved = [
        {"VariantName": "A", "DesiredWeight": 0},
        {"VariantName": "B", "DesiredInstanceCount": 2},
    ]
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=moved
    )
    assert hosting.describe(name)["EndpointStatus"] == "Updating"
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name, DesiredWeightsAndCapacities=moved
        )
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        sagemaker.delete_endpoint(EndpointName=name)
    first, second = hosting.settle(name)["ProductionVariants"]
    assert (first["CurrentWeight"], first["CurrentInstanceCount"]) == (0, 3)
    assert (second["CurrentWeight"], second["CurrentInstanceCount"]) == (1, 2)
    assert set(hosting.answered_by(name, 20)) == {"B"}


def test_weights_of_an_unknown_variant_are_refused(sagemaker: Any, shared: str) -> None:
    with pytest.raises(ClientError, match=r'The variant name\(s\) "Q" is/are not present'):
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=shared,
            DesiredWeightsAndCapacities=[{"VariantName": "Q", "DesiredWeight": 1}],
        )


def test_deleting_passes_through_its_state_and_ends_the_servers(
    aws: Aws, hosting: Hosting, sagemaker: Any
) -> None:
    name = hosting.serve(variant("V", "logistic"))
    before = len(servers(aws))
    sagemaker.delete_endpoint(EndpointName=name)
    assert hosting.describe(name)["EndpointStatus"] == "Deleting"
    with pytest.raises(ClientError, match="not found"):
        hosting.score(name)
    eventually(lambda: _is_gone(sagemaker, name))
    assert len(servers(aws)) == before - 1
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.delete_endpoint(EndpointName=name)


def test_a_container_that_crashes_is_started_again(aws: Aws, hosting: Hosting) -> None:

    before = {server["url"] for server in servers(aws)}
    name = hosting.serve(variant("V", "logistic"))
    (crashed,) = [server for server in servers(aws) if server["url"] not in before]
    os.kill(int(crashed["pid"]), signal.SIGKILL)
    eventually(lambda: _answers(hosting, name))


def test_lists_filter_sort_and_page(hosting: Hosting, sagemaker: Any, shared: str) -> None:
    pages = sagemaker.get_paginator("list_models").paginate(PaginationConfig={"PageSize": 2})
    names = [model["ModelName"] for page in pages for model in page["Models"]]
    assert {"logistic", "tree", "broken", "nonsense"} <= set(names)
    found = sagemaker.list_models(NameContains="LOGI")["Models"]
    assert [model["ModelName"] for model in found] == ["logistic"]
    serving = sagemaker.list_endpoints(StatusEquals="InService", NameContains=shared)["Endpoints"]
    assert [endpoint["EndpointName"] for endpoint in serving] == [shared]
    ascending = sagemaker.list_models(SortBy="Name", SortOrder="Ascending")["Models"]
    assert ascending == sorted(ascending, key=lambda model: str(model["ModelName"]))


def test_models_and_configs_in_use_may_be_deleted(hosting: Hosting, sagemaker: Any) -> None:
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/tree/model.tar.gz"}
    sagemaker.create_model(ModelName="brief", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    name = hosting.serve(variant("V", "brief"))
    config = hosting.describe(name)["EndpointConfigName"]
    sagemaker.delete_model(ModelName="brief")
    sagemaker.delete_endpoint_config(EndpointConfigName=config)
    assert hosting.score(name)["Body"] == b"0\n"
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=hosting.config(variant("V", "tree"))
        )


def test_pipelines_of_containers_are_said_to_be_not_emulated(
    hosting: Hosting, sagemaker: Any
) -> None:
    one = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/tree/model.tar.gz"}
    sagemaker.create_model(ModelName="pipeline", ExecutionRoleArn=ROLE, Containers=[one, one])
    with pytest.raises(ClientError, match="several containers is not emulated") as refused:
        hosting.create(variant("V", "pipeline"))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def servers(aws: Aws) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = control(aws, "GET", "servers")["servers"]
    return found


def _is_gone(sagemaker: Any, name: str) -> bool:
    try:
        sagemaker.describe_endpoint(EndpointName=name)
    except ClientError:
        return True
    return False


def _answers(hosting: Hosting, name: str) -> bool:
    try:
        return bool(hosting.score(name)["Body"] == b"0\n")
    except ClientError:
        return False
