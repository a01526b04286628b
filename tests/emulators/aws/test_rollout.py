"""Updates of an endpoint: guardrails, roll-backs, and no request lost on the way."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.chance import is_likely
from tests.emulators.aws.hosting import BUCKET, Aws, Hosting, eventually, variant

#: A minute of the service is a second here.
MINUTE = 60


def canary(percent: int, *, minutes: int, alarms: tuple[str, ...] = ()) -> dict[str, Any]:
    routing = {
        "Type": "CANARY",
        "WaitIntervalInSeconds": minutes * MINUTE,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": percent},
    }
    return {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
        **_rollback(alarms),
    }


def linear(percent: int, *, minutes: int) -> dict[str, Any]:
    routing = {
        "Type": "LINEAR",
        "WaitIntervalInSeconds": minutes * MINUTE,
        "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": percent},
    }
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


def rolling(percent: int, *, minutes: int) -> dict[str, Any]:
    size = {"Type": "CAPACITY_PERCENT", "Value": percent}
    return {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": size,
            "WaitIntervalInSeconds": minutes * MINUTE,
        }
    }


def _rollback(alarms: tuple[str, ...]) -> dict[str, Any]:
    named = [{"AlarmName": alarm} for alarm in alarms]
    return {"AutoRollbackConfiguration": {"Alarms": named}} if named else {}


def update(hosting: Hosting, name: str, config: str, **more: Any) -> None:
    hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **more)


def test_a_plain_update_replaces_everything_without_losing_a_request(hosting: Hosting) -> None:
    name = hosting.serve(variant("OLD", "logistic"))
    config = hosting.config(variant("NEW", "tree"))
    with Client(hosting, name) as client:
        update(hosting, name, config)
        assert hosting.describe(name)["EndpointStatus"] == "Updating"
        settled = hosting.settle(name)
        eventually(lambda: client.answers["NEW"] > 10)
    assert settled["EndpointStatus"] == "InService"
    assert settled["EndpointConfigName"] == config
    assert [one["VariantName"] for one in settled["ProductionVariants"]] == ["NEW"]
    assert client.errors == []
    assert set(client.answers) == {"OLD", "NEW"}


@pytest.mark.parametrize(
    "deployment",
    [
        pytest.param(canary(25, minutes=1), id="canary"),
        pytest.param(linear(50, minutes=1), id="linear"),
        pytest.param(rolling(50, minutes=1), id="rolling"),
    ],
)
def test_a_guarded_update_mixes_old_and_new_and_loses_nothing(
    hosting: Hosting, deployment: dict[str, Any]
) -> None:
    name = hosting.serve(variant("OLD", "logistic"))
    config = hosting.config(variant("NEW", "tree"))
    with Client(hosting, name) as client:
        eventually(lambda: client.answers["OLD"])
        update(hosting, name, config, DeploymentConfig=deployment)
        # The new model's server has to start before anything can be over.
        seen = hosting.describe(name)
        settled = hosting.settle(name)
        after = hosting.answered_by(name, 20)
    assert seen["EndpointStatus"] == "Updating"
    assert seen["PendingDeploymentSummary"]["EndpointConfigName"] == config
    assert set(client.answers) == {"OLD", "NEW"}
    assert client.errors == []
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", config)
    assert settled["LastDeploymentConfig"] == deployment
    assert "PendingDeploymentSummary" not in settled
    assert set(after) == {"NEW"}


def test_a_canary_gets_its_share(hosting: Hosting) -> None:
    name = hosting.serve(variant("OLD", "logistic"))
    config = hosting.config(variant("NEW", "tree"))
    update(hosting, name, config, DeploymentConfig=canary(25, minutes=10))
    eventually(lambda: hosting.score(name)["InvokedProductionVariant"], lambda by: by == "NEW")
    answers = hosting.answered_by(name, 200)
    # Those before the last old one are of the canary, however slow this machine is.
    during = answers[: len(answers) - [*answers[::-1], "OLD"].index("OLD")]
    assert is_likely(during.count("NEW"), len(during), 0.25)
    assert hosting.settle(name)["EndpointConfigName"] == config


def test_an_alarm_rolls_an_update_back(aws: Aws, hosting: Hosting) -> None:
    alarm = f"errors-{uuid.uuid4().hex[:6]}"
    watch = aws.client("cloudwatch")
    watch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="Ours",
        MetricName="Never",
        Statistic="Sum",
        Period=86_400,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    name = hosting.serve(variant("OLD", "logistic"))
    before = hosting.describe(name)["EndpointConfigName"]
    config = hosting.config(variant("NEW", "tree"))
    with Client(hosting, name) as client:
        deployment = canary(50, minutes=30, alarms=(alarm,))
        update(hosting, name, config, DeploymentConfig=deployment)
        eventually(lambda: client.answers["NEW"])
        watch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test says so")
        eventually(
            lambda: hosting.describe(name)["EndpointStatus"], lambda seen: seen == "RollingBack"
        )
        settled = hosting.settle(name)
        after = hosting.answered_by(name, 20)
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", before)
    assert alarm in settled["FailureReason"]
    assert set(after) == {"OLD"}
    assert client.errors == []


def test_a_new_fleet_that_does_not_come_up_leaves_the_old_one_serving(hosting: Hosting) -> None:
    name = hosting.serve(variant("OLD", "logistic"))
    before = hosting.describe(name)["EndpointConfigName"]
    with Client(hosting, name) as client:
        update(hosting, name, hosting.config(variant("NEW", "broken")))
        settled = hosting.settle(name)
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", before)
    assert "did not pass the ping health check" in settled["FailureReason"]
    assert client.errors == []
    assert set(client.answers) == {"OLD"}


def test_an_update_that_takes_longer_than_it_may_is_rolled_back(hosting: Hosting) -> None:
    name = hosting.serve(variant("OLD", "logistic"))
    deployment = canary(25, minutes=30)
    deployment["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    config = hosting.config(variant("NEW", "tree"))
    update(hosting, name, config, DeploymentConfig=deployment)
    settled = hosting.settle(name)
    assert settled["EndpointConfigName"] != config
    assert "MaximumExecutionTimeoutInSeconds" in settled["FailureReason"]


def test_a_second_change_is_refused_until_the_first_is_done(hosting: Hosting) -> None:
    name = hosting.serve(variant("OLD", "logistic"))
    config = hosting.config(variant("NEW", "tree"))
    update(hosting, name, config)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        update(hosting, name, config)
    hosting.settle(name)


def test_variant_properties_are_retained_on_request(hosting: Hosting) -> None:
    name = hosting.serve(variant("V", "logistic", 7, InitialInstanceCount=3))
    config = hosting.config(variant("V", "tree", 1))
    update(
        hosting,
        name,
        config,
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    (kept,) = hosting.settle(name)["ProductionVariants"]
    assert (kept["CurrentWeight"], kept["CurrentInstanceCount"]) == (1, 3)


def test_data_capture_is_retained_on_request(hosting: Hosting) -> None:
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/retained",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    name = hosting.serve(variant("V", "logistic"), DataCaptureConfig=capture)
    config = hosting.config(variant("V", "tree"))
    update(hosting, name, config, RetainAllVariantProperties=True)
    assert hosting.settle(name)["DataCaptureConfig"]["DestinationS3Uri"].endswith("/retained")


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        (canary(51, minutes=1), "CanarySize must be between 1 and 50 percent"),
        (linear(5, minutes=1), "LinearStepSize must be between 10 and 50 percent"),
        (canary(10, minutes=1) | rolling(10, minutes=1), "only one of BlueGreenUpdatePolicy"),
    ],
)
def test_a_deployment_out_of_bounds_is_refused(
    hosting: Hosting, shared: str, deployment: dict[str, Any], words: str
) -> None:
    config = hosting.config(variant("V", "tree"))
    with pytest.raises(ClientError, match=words):
        update(hosting, shared, config, DeploymentConfig=deployment)
    assert hosting.describe(shared)["EndpointStatus"] == "InService"


class Client:
    """Sends requests all the time, and counts who answered and what went wrong."""

    def __init__(self, hosting: Hosting, name: str, *, threads: int = 3) -> None:
        self.answers: Counter[str] = Counter()
        self.errors: list[Exception] = []
        self._hosting = hosting
        self._name = name
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(threads)]

    def __enter__(self) -> Client:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._ended.is_set():
            try:
                self.answers[self._hosting.score(self._name)["InvokedProductionVariant"]] += 1
            except Exception as error:
                self.errors.append(error)
