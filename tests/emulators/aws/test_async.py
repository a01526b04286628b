"""Asynchronous endpoints: accepted at once, answered in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulators.aws.hosting import BUCKET, ROW, Aws, Hosting, eventually, variant


@pytest.fixture(scope="module")
def topics(aws: Aws) -> dict[str, str]:
    sns = aws.client("sns")
    names = {"SuccessTopic": "good", "ErrorTopic": "bad"}
    return {role: sns.create_topic(Name=name)["TopicArn"] for role, name in names.items()}


@pytest.fixture(scope="module")
def queue(aws: Aws, topics: dict[str, str]) -> str:
    """A queue that hears of every notification."""
    url: str = aws.client("sqs").create_queue(QueueName="heard")["QueueUrl"]
    for topic in topics.values():
        aws.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:heard"
        )
    return url


@pytest.fixture(scope="module")
def endpoint(
    sagemaker: Any, runtime: Any, models: tuple[str, ...], topics: dict[str, str]
) -> Iterator[str]:
    hosting = Hosting(sagemaker, runtime)
    places = {
        "S3OutputPath": f"s3://{BUCKET}/out/",
        "S3FailurePath": f"s3://{BUCKET}/failed",
        "NotificationConfig": topics,
    }
    config = {"OutputConfig": places}
    yield hosting.serve(variant("V", "logistic"), AsyncInferenceConfig=config)
    hosting.delete_all()


def test_an_object_is_scored_into_another(
    aws: Aws, runtime: Any, s3: Any, endpoint: str, queue: str
) -> None:
    s3.put_object(Bucket=BUCKET, Key="in/two.csv", Body=ROW * 2)
    accepted = runtime.invoke_endpoint_async(
        EndpointName=endpoint,
        InputLocation=f"s3://{BUCKET}/in/two.csv",
        ContentType="text/csv",
        Accept="text/csv",
        InferenceId="mine",
    )
    assert accepted["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert accepted["InferenceId"] == "mine"
    assert accepted["OutputLocation"].startswith(f"s3://{BUCKET}/out/")
    assert fetch(s3, accepted["OutputLocation"]) == b"0\n0\n"
    heard = hear(aws, queue, accepted["InferenceId"])
    assert heard["invocationStatus"] == "Completed"
    assert heard["responseParameters"]["outputLocation"] == accepted["OutputLocation"]
    assert heard["requestParameters"]["endpointName"] == endpoint


def test_a_body_in_the_request_is_scored(runtime: Any, s3: Any, endpoint: str) -> None:
    accepted = runtime.invoke_endpoint_async(
        EndpointName=endpoint,
        Body=ROW,
        ContentType="text/csv",
        S3OutputPathExtension="today",
        Filename="answer.csv",
    )
    assert accepted["OutputLocation"] == f"s3://{BUCKET}/out/today/answer.csv"
    assert fetch(s3, accepted["OutputLocation"]) == b"0\n"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"Body": b"1,2\n"}, b"Received client error (400) from primary"),
        ({"InputLocation": f"s3://{BUCKET}/in/none.csv"}, b"Failed to download the input"),
    ],
)
def test_a_failure_is_told_at_the_failure_location(
    aws: Aws,
    runtime: Any,
    s3: Any,
    endpoint: str,
    queue: str,
    given: dict[str, Any],
    words: bytes,
) -> None:
    accepted = runtime.invoke_endpoint_async(EndpointName=endpoint, ContentType="text/csv", **given)
    assert accepted["FailureLocation"].startswith(f"s3://{BUCKET}/failed/")
    assert words in fetch(s3, accepted["FailureLocation"])
    assert hear(aws, queue, accepted["InferenceId"])["invocationStatus"] == "Failed"


def test_each_kind_of_endpoint_refuses_the_other_kind_of_request(
    hosting: Hosting, runtime: Any, endpoint: str, shared: str
) -> None:
    with pytest.raises(ClientError, match="only InvokeEndpointAsync is supported"):
        hosting.score(endpoint)
    with pytest.raises(ClientError, match="is not an asynchronous inference endpoint"):
        runtime.invoke_endpoint_async(EndpointName=shared, Body=ROW)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "exactly one of InputLocation and Body"),
        ({"Body": ROW, "InputLocation": "s3://a/b"}, "exactly one of InputLocation and Body"),
        ({"Body": b"x" * 128_001}, "HTTP content length exceeded 128000 bytes"),
    ],
)
def test_the_input_is_given_once_and_small(
    runtime: Any, endpoint: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        runtime.invoke_endpoint_async(EndpointName=endpoint, **given)


def fetch(s3: Any, uri: str) -> bytes:
    """Return the object at `uri` when it is there."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")

    def look() -> bytes | None:
        try:
            found: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError:
            return None
        return found

    body: bytes = eventually(look, lambda seen: seen is not None)
    return body


def hear(aws: Aws, queue: str, inference: str) -> dict[str, Any]:
    """Return the notification about one inference."""
    sqs = aws.client("sqs")
    heard: dict[str, Any] = eventually(
        lambda: _next(sqs, queue), lambda seen: seen.get("inferenceId") == inference
    )
    return heard


def _next(sqs: Any, queue: str) -> dict[str, Any]:
    for message in sqs.receive_message(QueueUrl=queue).get("Messages", []):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        heard: dict[str, Any] = json.loads(json.loads(message["Body"])["Message"])
        return heard
    return {}
