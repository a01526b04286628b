"""The front: what is not emulated, faults on request, HTTP as clients speak it."""

from __future__ import annotations

import http.client
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from tests.emulators.aws.hosting import ROW, Aws, Hosting, control, sign


@pytest.mark.parametrize(
    ("service", "operation", "values"),
    [
        pytest.param(
            "sagemaker",
            "delete_inference_component",
            {"InferenceComponentName": "x"},
            id="json",
        ),
        pytest.param("iam", "list_service_specific_credentials", {"UserName": "x"}, id="query-xml"),
        pytest.param(
            "lambda", "get_runtime_management_config", {"FunctionName": "f"}, id="rest-json"
        ),
        pytest.param("cloudfront", "list_realtime_log_configs", {}, id="rest-xml"),
        pytest.param("pricing", "get_products", {"ServiceCode": "x"}, id="no-such-service"),
    ],
)
def test_what_is_not_emulated_says_so_in_the_services_own_form(
    aws: Aws, service: str, operation: str, values: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="is not emulated") as refused:
        getattr(aws.client(service), operation)(**values)
    response = refused.value.response
    assert response["Error"]["Code"] == "NotImplemented"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["ResponseMetadata"]["RetryAttempts"] == 0


def test_an_operation_that_no_service_has_is_unknown(aws: Aws) -> None:
    headers = {
        "X-Amz-Target": "SageMaker.MakeCoffee",
        "Content-Type": "application/x-amz-json-1.1",
    }
    signed = dict(sign(aws, AWSRequest("POST", aws.url, headers, b"{}")).headers)
    answer = httpx.post(aws.url, content=b"{}", headers=signed, timeout=600, trust_env=False)
    assert (answer.status_code, answer.json()["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("throttle", "ThrottlingException", 400),
        ("500", "InternalFailure", 500),
        ("503", "ServiceUnavailable", 503),
    ],
)
def test_the_planned_call_is_refused_and_the_next_is_not(
    aws: Aws, kind: str, code: str, status: int
) -> None:
    patient = aws.client("sagemaker", retries={"max_attempts": 0})
    plan(aws, [{"operation": "ListModels", "kind": kind, "nth": 2}])
    patient.list_models()
    with pytest.raises(ClientError) as refused:
        patient.list_models()
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    patient.list_models()


def test_clients_retry_throttling_by_themselves(aws: Aws) -> None:
    plan(aws, [{"operation": "ListModels", "kind": "throttle", "nth": 1}])
    answer = aws.client("sagemaker", retries={"max_attempts": 2}).list_models()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


def test_a_call_dropped_before_did_nothing_and_one_dropped_after_did(aws: Aws) -> None:
    s3 = aws.client("s3", retries={"max_attempts": 0})
    plan(
        aws,
        [
            {"operation": "CreateBucket", "kind": "drop-before", "nth": 1},
            {"operation": "CreateBucket", "kind": "drop-after", "nth": 2},
        ],
    )
    for name in ("dropped-before", "dropped-after"):
        with pytest.raises((ConnectionClosedError, HTTPClientError)):
            s3.create_bucket(Bucket=name)
    names = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert "dropped-before" not in names
    assert "dropped-after" in names


def test_a_refusal_asks_for_the_planned_pause_and_what_was_met_is_told(aws: Aws) -> None:
    impatient = aws.client("sagemaker", retries={"max_attempts": 0})
    plan(aws, [{"operation": "*", "kind": "throttle", "nth": 2, "retry_after": 7}])
    impatient.list_models()
    with pytest.raises(ClientError) as refused:
        impatient.list_endpoints()
    assert refused.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"
    told = control(aws, "GET", "faults")
    assert told["calls"] == ["ListModels", "ListEndpoints"]
    assert told["met"] == [{"operation": "ListEndpoints", "kind": "throttle", "call": 2}]


def test_a_hanging_call_is_let_go_without_an_answer_by_the_next_plan(aws: Aws) -> None:
    s3 = aws.client("s3", retries={"max_attempts": 0})
    plan(aws, [{"operation": "CreateBucket", "kind": "hang-after", "nth": 1, "seconds": 600}])

    def let_go() -> None:
        while not control(aws, "GET", "faults")["met"]:
            time.sleep(0.01)
        plan(aws, [])

    watch = threading.Thread(target=let_go)
    watch.start()
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        s3.create_bucket(Bucket="hung-after")
    watch.join()
    assert "hung-after" in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}


def test_stale_reads_answer_as_before_the_latest_change(aws: Aws) -> None:
    sagemaker = aws.client("sagemaker")
    name = {"ModelPackageGroupName": "stale"}
    stale = {"kind": "stale", "nth": 1, "calls": 2, "seconds": 0}
    change = {"operation": "CreateModelPackageGroup", **stale}
    plan(aws, [change])

    def groups() -> list[str]:
        found = sagemaker.list_model_package_groups(NameContains="stale")
        return [each["ModelPackageGroupName"] for each in found["ModelPackageGroupSummaryList"]]

    assert groups() == []
    sagemaker.create_model_package_group(**name)
    assert [groups() for _ in range(3)] == [[], [], ["stale"]]
    plan(aws, [])
    sagemaker.delete_model_package_group(**name)


def test_the_runtime_has_faults_too(aws: Aws, hosting: Hosting, shared: str) -> None:
    runtime = aws.client("sagemaker-runtime", retries={"max_attempts": 0})
    plan(aws, [{"operation": "InvokeEndpoint", "kind": "503", "nth": 1}])
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        runtime.invoke_endpoint(EndpointName=shared, Body=ROW, ContentType="text/csv")
    plan(aws, [{"operation": "InvokeEndpoint", "kind": "slow", "nth": 1, "seconds": 0.5}])
    began = time.monotonic()
    hosting.score(shared)
    assert time.monotonic() - began >= 0.5


def test_a_plan_that_cannot_be_read_is_refused_with_the_kinds(aws: Aws) -> None:
    with pytest.raises(httpx.HTTPStatusError) as refused:
        control(aws, "PUT", "faults", [{"operation": "ListModels", "kind": "flood"}])
    assert refused.value.response.status_code == 400
    assert "drop-after" in refused.value.response.json()["error"]


@pytest.mark.parametrize("key", ["a/b c", "percent%2Fencoded", "ünïcode/✓", "//twice", "plus+&=?"])
def test_object_keys_come_through_as_they_are(s3: Any, models: Any, key: str) -> None:
    s3.put_object(Bucket="models", Key=f"keys/{key}", Body=b"x", Metadata={"my_key": "kept"})
    found = s3.get_object(Bucket="models", Key=f"keys/{key}")
    assert found["Body"].read() == b"x"
    assert found["Metadata"] == {"my_key": "kept"}
    listed = s3.list_objects_v2(Bucket="models", Prefix=f"keys/{key}")["Contents"]
    assert [item["Key"] for item in listed] == [f"keys/{key}"]


def test_large_bodies_and_ranges_come_through(s3: Any, models: Any) -> None:
    data = bytes(range(256)) * 40_000
    s3.put_object(Bucket="models", Key="large", Body=data)
    assert s3.get_object(Bucket="models", Key="large")["Body"].read() == data
    part = s3.get_object(Bucket="models", Key="large", Range="bytes=256-259")
    assert part["Body"].read() == b"\x00\x01\x02\x03"
    assert s3.head_object(Bucket="models", Key="large")["ContentLength"] == len(data)


def test_one_connection_serves_many_requests(aws: Aws) -> None:
    at = urlsplit(aws.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port or 0, timeout=600)
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/nowhere", body=b"left unread", headers={"X-Test": "1"})
        answer = connection.getresponse()
        answer.read()
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1


@pytest.mark.parametrize("length", ["abc", "-5", "+4", "1e3", "9" * 20])
def test_a_length_that_is_no_number_is_refused(aws: Aws, length: str) -> None:
    at = urlsplit(aws.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port or 0, timeout=600)
    connection.putrequest("POST", "/endpoints/e/invocations")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (400, "close")
    assert length in answer.read().decode()
    connection.close()


def test_the_clients_variables_lead_nowhere_else(aws: Aws) -> None:
    variables = aws.environment
    assert variables["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        assert str(aws.place.folder) in variables[name]
    assert variables["AWS_EC2_METADATA_DISABLED"] == "true"
    assert "127.0.0.1" in variables["NO_PROXY"]


def plan(aws: Aws, faults: list[dict[str, Any]]) -> None:
    control(aws, "PUT", "faults", faults)
