"""Application Auto Scaling of variants, with boto3 as the judge, at ten minutes a second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.deploy import bundles
from tests.emulators.aws.hosting import BUCKET, IMAGE, ROLE, Aws, Hosting, emulated, eventually
from tests.emulators.aws.hosting import variant as described
from tridock.inference.bundle.bundle import Bundle

PLACE = {
    "ServiceNamespace": "sagemaker",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
REQUESTS = "SageMakerVariantInvocationsPerInstance"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulated(tmp_path_factory.mktemp("state"), speed=600) as running:
        yield running


@pytest.fixture(scope="module")
def hosting(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Hosting:
    bundle: Bundle = bundles.good(tmp_path_factory.mktemp("bundle") / "1", "1")
    archive = bundle.pack(tmp_path_factory.mktemp("archive") / "model.tar.gz")
    s3, sagemaker = aws.client("s3"), aws.client("sagemaker")
    s3.create_bucket(Bucket=BUCKET)
    s3.upload_file(str(archive), BUCKET, "model.tar.gz")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
    sagemaker.create_model(ModelName="iris", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    return Hosting(sagemaker, aws.client("sagemaker-runtime"))


@pytest.fixture(scope="module")
def shared(hosting: Hosting) -> str:
    return hosting.serve(described("A", "iris"), described("B", "iris", 0.0))


@pytest.fixture(scope="module")
def scaling(aws: Aws) -> Any:
    return aws.client("application-autoscaling")


@pytest.fixture
def endpoint(hosting: Hosting, shared: str, scaling: Any) -> Iterator[str]:
    """An endpoint of two variants, of which none is scaled before and after."""
    yield shared
    for one in scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]:
        scaling.deregister_scalable_target(**PLACE, ResourceId=one["ResourceId"])
    hosting.settle(shared)


def place_of(endpoint: str, variant: str = "A") -> dict[str, str]:
    return {**PLACE, "ResourceId": f"endpoint/{endpoint}/variant/{variant}"}


def follow(scaling: Any, place: dict[str, str], target: float) -> Any:
    scaling.register_scalable_target(**place, MinCapacity=1, MaxCapacity=3)
    told = {
        "TargetValue": target,
        "PredefinedMetricSpecification": {"PredefinedMetricType": REQUESTS},
    }
    return scaling.put_scaling_policy(
        **place,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=told,
    )


def counts(hosting: Hosting, endpoint: str) -> tuple[int, int]:
    first = hosting.describe(endpoint)["ProductionVariants"][0]
    return first["CurrentInstanceCount"], first["DesiredInstanceCount"]


@contextmanager
def load(hosting: Hosting, endpoint: str) -> Iterator[None]:
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            hosting.score(endpoint)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_instances_follow_the_requests_out_and_in_within_their_bounds(
    hosting: Hosting, endpoint: str, scaling: Any
) -> None:
    place = place_of(endpoint)
    told = follow(scaling, place, 1.0)
    assert [each["AlarmName"].split("-Alarm")[1][:3] for each in told["Alarms"]] == ["Hig", "Low"]
    with load(hosting, endpoint):
        eventually(lambda: counts(hosting, endpoint), lambda seen: seen == (3, 3))
    eventually(lambda: counts(hosting, endpoint), lambda seen: seen == (1, 1))
    found = scaling.describe_scaling_activities(
        ServiceNamespace="sagemaker", ResourceId=place["ResourceId"]
    )["ScalingActivities"]
    assert found[0]["Description"] == "Setting desired instance count to 1."
    assert "AlarmHigh" in found[-1]["Cause"]
    kept = hosting.describe(endpoint)["ProductionVariants"]
    assert [each["CurrentWeight"] for each in kept] == [1.0, 0.0]


def test_a_variant_below_its_minimum_is_brought_to_it_and_an_update_keeps_the_number(
    hosting: Hosting, endpoint: str, scaling: Any
) -> None:
    place = place_of(endpoint)
    follow(scaling, place, 1000.0)
    scaling.register_scalable_target(**place, MinCapacity=2)
    eventually(lambda: counts(hosting, endpoint), lambda seen: seen == (2, 2))
    config = hosting.config(described("A", "iris"), described("B", "iris", 0.0))
    hosting.settle(endpoint)
    hosting.sagemaker.update_endpoint(
        EndpointName=endpoint, EndpointConfigName=config, RetainAllVariantProperties=True
    )
    hosting.settle(endpoint)
    assert counts(hosting, endpoint) == (2, 2)


def test_a_scaled_variant_is_neither_removed_nor_resized(
    hosting: Hosting, endpoint: str, scaling: Any
) -> None:
    place = place_of(endpoint, "B")
    follow(scaling, place, 1000.0)
    larger = hosting.config(
        described("A", "iris"), described("B", "iris", 0.0, InstanceType="ml.m5.xlarge")
    )
    for config in (hosting.config(described("A", "iris")), larger):
        with pytest.raises(ClientError, match='"B" must be deregistered as a scalable target'):
            hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    scaling.deregister_scalable_target(**place)
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert policies == []
    hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=larger)


def test_a_deleted_endpoint_leaves_no_target_and_no_alarm(
    aws: Aws, hosting: Hosting, scaling: Any
) -> None:
    endpoint = hosting.serve(described("A", "iris"))
    names = [each["AlarmName"] for each in follow(scaling, place_of(endpoint), 1.0)["Alarms"]]
    hosting.sagemaker.delete_endpoint(EndpointName=endpoint)
    found = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert place_of(endpoint)["ResourceId"] not in {each["ResourceId"] for each in found}
    assert aws.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ResourceId": "endpoint/ghost/variant/A"}, "does not exist"),
        ({"ResourceId": "endpoint/{}/variant/Z"}, "variant does not exist"),
        ({"MinCapacity": 0}, "1 <= minimum <= maximum"),
        ({"MinCapacity": 9}, "1 <= minimum <= maximum"),
    ],
)
def test_a_registration_is_held_to_what_stands(
    hosting: Hosting, shared: str, scaling: Any, given: dict[str, Any], words: str
) -> None:
    asked = {**place_of(shared), "MinCapacity": 1, "MaxCapacity": 3, **given}
    asked["ResourceId"] = asked["ResourceId"].format(shared)
    with pytest.raises(ClientError, match=words):
        scaling.register_scalable_target(**asked)


def test_a_policy_needs_its_target(shared: str, scaling: Any) -> None:
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.deregister_scalable_target(**place_of(shared))
