"""InvokeEndpoint: real predictions, and the service's words when there is none."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.chance import is_likely
from tests.emulators.aws.hosting import ROW, ROWS, Aws, Hosting, control, eventually, variant


def test_the_answer_is_the_models_own(runtime: Any, shared: str) -> None:
    answer = runtime.invoke_endpoint(
        EndpointName=shared,
        Body=json.dumps({"instances": ROWS}),
        ContentType="application/json",
        Accept="application/json",
        CustomAttributes="trace=1",
        TargetVariant="A",
    )
    assert json.load(answer["Body"]) == {"predictions": [0, 2]}
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "A"
    assert answer["CustomAttributes"] == "trace=1"
    assert answer["ResponseMetadata"]["RequestId"]


def test_accept_and_content_type_reach_the_container(runtime: Any, shared: str) -> None:
    answer = runtime.invoke_endpoint(
        EndpointName=shared, Body=ROW * 2, ContentType="text/csv", Accept="text/csv"
    )
    assert answer["ContentType"].startswith("text/csv")
    assert answer["Body"].read() == b"0\n0\n"


def test_requests_follow_the_weights(hosting: Hosting, shared: str) -> None:
    counted = Counter(hosting.answered_by(shared, 200))
    assert is_likely(counted["A"], 200, 0.75)  # weights 3 and 1
    assert counted["A"] + counted["B"] == 200


def test_a_target_variant_answers_whatever_its_weight(hosting: Hosting) -> None:
    name = hosting.serve(variant("A", "logistic"), variant("B", "tree", 0))
    assert set(hosting.answered_by(name, 20)) == {"A"}
    assert hosting.score(name, TargetVariant="B")["InvokedProductionVariant"] == "B"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"EndpointName": "nowhere"}, "Endpoint nowhere of account 123456789012 not found."),
        ({"TargetVariant": "Q"}, "Variant Q of endpoint .* not found"),
        ({"InferenceId": "x" * 65}, "Value 'x+' at 'inferenceId' failed to satisfy constraint"),
    ],
)
def test_a_request_to_nobody_is_a_validation_error(
    runtime: Any, shared: str, change: dict[str, str], words: str
) -> None:
    with pytest.raises(ClientError, match=words) as refused:
        runtime.invoke_endpoint(**({"EndpointName": shared, "Body": ROW} | change))
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_containers_refusal_is_a_model_error_with_its_words(runtime: Any, shared: str) -> None:
    with pytest.raises(ClientError, match=r"Received client error \(400\) from primary") as refused:
        runtime.invoke_endpoint(EndpointName=shared, Body=b"1,2\n", ContentType="text/csv")
    response: Any = refused.value.response
    assert response["Error"]["Code"] == "ModelError"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == 400
    assert "expected 4 values" in response["OriginalMessage"]
    assert response["LogStreamArn"].endswith(f"log-group:/aws/sagemaker/Endpoints/{shared}")


def test_a_body_over_the_limit_is_413_and_the_connection_survives(
    runtime: Any, hosting: Hosting, shared: str
) -> None:
    with pytest.raises(ClientError, match="HTTP content length exceeded 6291456 bytes") as refused:
        runtime.invoke_endpoint(EndpointName=shared, Body=b"x" * 6_291_457)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert hosting.score(shared)["Body"] == b"0\n"


def test_serverless_variants_take_smaller_bodies(hosting: Hosting, runtime: Any) -> None:
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    name = hosting.serve({"VariantName": "V", "ModelName": "tree", "ServerlessConfig": serverless})
    assert hosting.score(name)["Body"] == b"0\n"
    assert hosting.describe(name)["ProductionVariants"][0]["CurrentServerlessConfig"] == serverless
    with pytest.raises(ClientError, match="oversize body"):
        runtime.invoke_endpoint(EndpointName=name, Body=b"x" * 4_194_305, ContentType="text/csv")


def test_a_container_that_takes_too_long_is_a_model_error_0(aws: Aws, hosting: Hosting) -> None:
    before = {server["pid"] for server in control(aws, "GET", "servers")["servers"]}
    name = hosting.serve(variant("V", "tree"))
    servers = control(aws, "GET", "servers")["servers"]
    (slow,) = [server["pid"] for server in servers if server["pid"] not in before]
    control(aws, "PUT", "limits", {"invocation_seconds": 0.5})
    os.kill(slow, signal.SIGSTOP)
    try:
        with pytest.raises(ClientError, match="Your invocation timed out") as refused:
            hosting.score(name)
    finally:
        os.kill(slow, signal.SIGCONT)
        control(aws, "PUT", "limits", {"invocation_seconds": 60})
    response: Any = refused.value.response
    assert (response["Error"]["Code"], response["OriginalStatusCode"]) == ("ModelError", 0)


def test_the_containers_output_is_in_its_log_stream(
    aws: Aws, hosting: Hosting, shared: str
) -> None:
    hosting.score(shared, TargetVariant="A")
    logs, group = aws.client("logs"), f"/aws/sagemaker/Endpoints/{shared}"
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    (stream,) = [one["logStreamName"] for one in streams if one["logStreamName"].startswith("A/i-")]
    eventually(
        lambda: logs.get_log_events(logGroupName=group, logStreamName=stream)["events"],
        lambda events: any('"route":"/invocations"' in event["message"] for event in events),
    )


def test_cloudwatch_counts_requests_errors_and_time(
    aws: Aws, hosting: Hosting, runtime: Any
) -> None:
    name = hosting.serve(variant("V", "tree"))
    for _ in range(5):
        hosting.score(name)
    with pytest.raises(ClientError):
        runtime.invoke_endpoint(EndpointName=name, Body=b"1\n", ContentType="text/csv")
    assert _statistic(aws, name, "Invocations", "Sum") == 6
    assert _statistic(aws, name, "Invocation4XXErrors", "Sum") == 1
    assert _statistic(aws, name, "Invocation4XXErrors", "SampleCount") == 6
    assert _statistic(aws, name, "Invocation5XXErrors", "Sum") == 0
    assert _statistic(aws, name, "InvocationModelErrors", "Sum") == 1
    assert _statistic(aws, name, "ModelLatency", "SampleCount") == 5
    latency = _statistic(aws, name, "ModelLatency", "Average")
    assert 50 < latency < 60e6  # microseconds


def test_many_clients_at_once_lose_nothing(hosting: Hosting, shared: str) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: hosting.score(shared)["Body"], range(200)))
    assert answers == [b"0\n"] * 200


def _statistic(aws: Aws, endpoint: str, metric: str, statistic: str) -> float:
    now = dt.datetime.now(dt.UTC)
    (point,) = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": "V"},
        ],
        StartTime=now - dt.timedelta(minutes=10),
        EndTime=now + dt.timedelta(minutes=1),
        Period=3600,
        Statistics=[statistic],
    )["Datapoints"]
    return float(point[statistic])
