"""Batch transform, asked with boto3: jobs that read S3, score with real servers, and write S3."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulators.aws.hosting import BUCKET, ROWS, Aws, eventually

CSV = "".join(",".join(map(str, row)) + "\n" for row in ROWS).encode()
GROUP = "/aws/sagemaker/TransformJobs"

Create = Callable[..., str]


@pytest.fixture
def create(sagemaker: Any, s3: Any, models: tuple[str, ...]) -> Create:
    """Put an input object and start a job on it, in a folder of its own; return the job's name."""

    def start(data: bytes, **request: Any) -> str:
        name = f"job-{uuid.uuid4().hex[:8]}"
        key = f"{name}/in/data"
        s3.put_object(Bucket=BUCKET, Key=key, Body=data)
        sagemaker.create_transform_job(**_request(name, f"s3://{BUCKET}/{key}", **request))
        return name

    return start


def _request(name: str, uri: str, **more: Any) -> dict[str, Any]:
    source = {"S3DataType": more.pop("S3DataType", "S3Prefix"), "S3Uri": uri}
    usual = {"ContentType": "text/csv", "SplitType": "Line"}
    given = {
        "TransformJobName": name,
        "ModelName": "logistic",
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            **usual,
            **more.pop("input", {}),
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{BUCKET}/{name}/out",
            "Accept": "text/csv",
            "AssembleWith": "Line",
            **more.pop("output", {}),
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    return given | more


@pytest.fixture
def ended(sagemaker: Any) -> Callable[[str], dict[str, Any]]:
    def wait(name: str) -> dict[str, Any]:
        found: dict[str, Any] = eventually(
            lambda: sagemaker.describe_transform_job(TransformJobName=name),
            lambda job: job["TransformJobStatus"] not in ("InProgress", "Stopping"),
        )
        return found

    return wait


@pytest.fixture
def result(s3: Any, ended: Callable[[str], dict[str, Any]]) -> Callable[[str], bytes]:
    def read(name: str, key: str = "data.out") -> bytes:
        job = ended(name)
        assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
        found: bytes = s3.get_object(Bucket=BUCKET, Key=f"{name}/out/{key}")["Body"].read()
        return found

    return read


Result = Callable[..., bytes]
Ended = Callable[[str], dict[str, Any]]


def test_a_job_passes_through_its_states_writes_in_order_and_is_listed(
    create: Create, sagemaker: Any, result: Result
) -> None:
    name = create(CSV * 3)
    begun = sagemaker.describe_transform_job(TransformJobName=name)
    assert begun["TransformJobStatus"] == "InProgress"
    assert "TransformEndTime" not in begun
    assert "FailureReason" not in begun
    with pytest.raises(ClientError, match="must be unique") as refused:
        sagemaker.create_transform_job(**_request(name, "s3://x/y"))
    assert refused.value.response["Error"]["Code"] == "ResourceInUse"
    assert result(name) == b"0\n2\n" * 3
    done = sagemaker.describe_transform_job(TransformJobName=name)
    assert done["TransformEndTime"] >= done["TransformStartTime"] >= done["CreationTime"]
    [listed] = _listed(sagemaker, NameContains=name)
    assert listed["TransformJobStatus"] == "Completed"
    assert name not in str(_listed(sagemaker, StatusEquals="Failed"))


def _listed(sagemaker: Any, **asked: Any) -> list[dict[str, Any]]:
    pages = sagemaker.get_paginator("list_transform_jobs").paginate(
        **asked, PaginationConfig={"PageSize": 1}
    )
    return [job for page in pages for job in page["TransformJobSummaries"]]


def test_columns_of_a_compressed_object_are_left_out_joined_and_kept(
    create: Create, result: Result
) -> None:
    data = gzip.compress(b"first,5.1,3.5,1.4,0.2\nsecond,6.7,3.0,5.2,2.3\n")
    filters = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    name = create(data, input={"CompressionType": "Gzip"}, DataProcessing=filters)
    assert result(name) == b"first,0\nsecond,2\n"


def test_json_lines_get_their_prediction_as_a_member(create: Create, result: Result) -> None:
    data = b"".join(
        json.dumps({"id": number, "features": row}).encode() + b"\n"
        for number, row in enumerate(ROWS * 4)
    )
    name = create(
        data,
        input={"ContentType": "application/jsonlines"},
        output={"Accept": "application/jsonlines"},
        DataProcessing={
            "InputFilter": "$.features",
            "JoinSource": "Input",
            "OutputFilter": "$['id','SageMakerOutput']",
        },
        BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=4,
    )
    lines = [json.loads(line) for line in result(name).splitlines()]
    assert [line["id"] for line in lines] == list(range(8))
    assert all(line.keys() == {"id", "SageMakerOutput"} for line in lines)
    assert [line["SageMakerOutput"] for line in lines] == [{"prediction": 0}, {"prediction": 2}] * 4


def test_an_unsplit_document_is_one_request(create: Create, result: Result) -> None:
    name = create(
        json.dumps({"instances": ROWS}).encode(),
        input={"ContentType": "application/json", "SplitType": "None"},
        output={"Accept": "application/json", "AssembleWith": "None"},
        DataProcessing={"OutputFilter": "$.predictions"},
    )
    assert json.loads(result(name)) == [0, 2]


def test_a_prefix_and_a_manifest_name_the_same_objects(
    sagemaker: Any, s3: Any, models: tuple[str, ...], result: Result
) -> None:
    for key in ("both/in/a.csv", "both/in/deep/b.csv"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=CSV)
    manifest = json.dumps([{"prefix": f"s3://{BUCKET}/both/in/"}, "a.csv", "deep/b.csv"])
    s3.put_object(Bucket=BUCKET, Key="both/list.manifest", Body=manifest)
    uris = {"S3Prefix": "both/in/", "ManifestFile": "both/list.manifest"}
    for kind, uri in uris.items():
        name = f"both-{kind.lower()}"
        request = _request(name, f"s3://{BUCKET}/{uri}", S3DataType=kind)
        request["TransformResources"]["InstanceCount"] = 2 if kind == "S3Prefix" else 1
        sagemaker.create_transform_job(**request)
    for kind in uris:
        for key in ("a.csv.out", "deep/b.csv.out"):
            assert result(f"both-{kind.lower()}", key) == b"0\n2\n"


def test_a_bad_record_fails_the_job_but_not_the_other_objects(
    sagemaker: Any, s3: Any, models: tuple[str, ...], aws: Aws, ended: Ended
) -> None:
    s3.put_object(Bucket=BUCKET, Key="mixed/in/bad.csv", Body=b"a,b,c\n")
    s3.put_object(Bucket=BUCKET, Key="mixed/in/good.csv", Body=CSV)
    s3.put_object(Bucket=BUCKET, Key="mixed/in/long.csv", Body=b"1," * 600_000 + b"1\n")
    request = _request("mixed", f"s3://{BUCKET}/mixed/in/", MaxPayloadInMB=1)
    sagemaker.create_transform_job(**request)
    job = ended("mixed")
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="mixed/out/")["Contents"]
    assert [item["Key"] for item in listed] == ["mixed/out/good.csv.out"]
    events = aws.client("logs").filter_log_events(logGroupName=GROUP, logStreamNamePrefix="mixed/")[
        "events"
    ]
    said = "\n".join(event["message"] for event in events)
    assert f"{BUCKET}/mixed/in/bad.csv: ClientError: 400" in said
    assert "expected 4 values" in said
    assert "exceeds MaxPayloadInMB (1 MB)" in said
    assert "BatchStrategy=MULTI_RECORD" in said
    metrics = aws.client("cloudwatch").list_metrics(Namespace=GROUP)["Metrics"]
    used = {m["MetricName"] for m in metrics if m["Dimensions"][0]["Value"].startswith("mixed/i-")}
    assert used == {"CPUUtilization", "MemoryUtilization"}


def test_no_input_fails_the_job_in_the_service_s_words(
    sagemaker: Any, models: tuple[str, ...], ended: Ended
) -> None:
    sagemaker.create_transform_job(**_request("nothing", f"s3://{BUCKET}/none/"))
    assert "No S3 objects found under S3 URL" in ended("nothing")["FailureReason"]


def test_a_container_that_does_not_come_up_fails_the_job(create: Create, ended: Ended) -> None:
    assert ended(create(CSV, ModelName="broken"))["TransformJobStatus"] == "Failed"


def test_a_job_can_be_stopped_once(create: Create, sagemaker: Any, ended: Ended) -> None:
    name = create(CSV)
    sagemaker.stop_transform_job(TransformJobName=name)
    assert sagemaker.describe_transform_job(TransformJobName=name)["TransformJobStatus"] in (
        "Stopping",
        "Stopped",
    )
    assert ended(name)["TransformJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="transform job is in status Stopped"):
        sagemaker.stop_transform_job(TransformJobName=name)


def test_what_cannot_run_is_refused_at_once(create: Create, sagemaker: Any) -> None:
    with pytest.raises(ClientError, match="Could not find model"):
        create(CSV, ModelName="unknown")
    with pytest.raises(ClientError, match="must not exceed 100 MB"):
        create(CSV, MaxConcurrentTransforms=10, MaxPayloadInMB=20)
    with pytest.raises(ClientError, match="not supported"):
        create(CSV, DataProcessing={"InputFilter": "$..x"})
    with pytest.raises(ClientError, match="Could not find requested job"):
        sagemaker.describe_transform_job(TransformJobName="unknown")
