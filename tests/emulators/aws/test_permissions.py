"""What calls need: their resources, and the actions that they need besides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tridock.emulators.aws.iam.permissions import Need, needs

HERE = ("123456789012", "us-east-1")
ROLE = "arn:aws:iam::123456789012:role/server"
SAGEMAKER = "arn:aws:sagemaker:us-east-1:123456789012"
LOGS = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/x"


def _needs(service: str, operation: str, **given: Any) -> list[tuple[str, str]]:
    found = needs(service, operation, json.dumps(given).encode(), HERE)
    return [(each.action.partition(":")[2], each.resource) for each in found]


@pytest.mark.parametrize(
    ("operation", "given", "resources"),
    [
        ("DescribeEndpoint", {"EndpointName": "Iris"}, ["endpoint/iris"]),
        ("UpdateEndpointWeightsAndCapacities", {"EndpointName": "a"}, ["endpoint/a"]),
        ("DeleteEndpointConfig", {"EndpointConfigName": "c"}, ["endpoint-config/c"]),
        ("DescribeModel", {"ModelName": "m"}, ["model/m"]),
        (
            "UpdateEndpoint",
            {"EndpointName": "a", "EndpointConfigName": "c"},
            ["endpoint/a", "endpoint-config/c"],
        ),
    ],
)
def test_sagemakers_calls_are_about_what_they_name(
    operation: str, given: dict[str, str], resources: list[str]
) -> None:
    expected = [(operation, f"{SAGEMAKER}:{each}") for each in resources]
    assert _needs("sagemaker", operation, **given) == expected


def test_what_is_made_with_tags_needs_add_tags_on_it_alone() -> None:
    tags = [{"Key": "a", "Value": "b"}]
    given = {"EndpointName": "a", "EndpointConfigName": "c", "Tags": tags}
    needed = _needs("sagemaker", "CreateEndpoint", **given)
    assert [arn for action, arn in needed if action == "AddTags"] == [f"{SAGEMAKER}:endpoint/a"]


def test_a_model_needs_its_role_to_be_passed_to_sagemaker() -> None:
    body = json.dumps({"ModelName": "m", "ExecutionRoleArn": ROLE}).encode()
    context = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    assert Need("iam:PassRole", ROLE, context) in list(
        needs("sagemaker", "CreateModel", body, HERE)
    )


def test_lists_know_no_resource() -> None:
    assert _needs("sagemaker", "ListModels", NameContains="a") == [("ListModels", "*")]


def test_logs_are_about_a_group_or_a_stream_of_it() -> None:
    assert _needs("logs", "DescribeLogStreams", logGroupName="/aws/x") == [
        ("DescribeLogStreams", f"{LOGS}:*")
    ]
    assert _needs("logs", "GetLogEvents", logGroupName="/aws/x", logStreamName="s") == [
        ("GetLogEvents", f"{LOGS}:log-stream:s")
    ]


def test_other_calls_are_not_told_apart() -> None:
    assert _needs("sagemaker", "CreateTrainingJob", TrainingJobName="t") == []
    assert _needs("s3", "PutObject") == []


def test_metrics_know_no_resource() -> None:
    needed = list(needs("cloudwatch", "GetMetricData", b"no JSON", HERE))
    assert needed == [Need("cloudwatch:GetMetricData", "*")]
    assert list(needs("cloudwatch", "PutMetricAlarm", b"", HERE)) == []
