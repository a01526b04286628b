"""Alarms that go off by themselves, and roll a deployment back, asked with boto3.

A minute of the service lasts a second here: the clock runs at its usual speed.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulators.aws.hosting import BUCKET, IMAGE, ROLE, Aws, Hosting, eventually, variant
from tridock.inference.packaging.package import About, package_script

BROKEN = """
def init():
    pass


def run(data):
    raise RuntimeError("this version cannot score")
"""


@pytest.fixture(scope="module")
def cloudwatch(aws: Aws) -> Any:
    return aws.client("cloudwatch")


Put = Callable[..., str]


@pytest.fixture
def put(cloudwatch: Any) -> Put:
    """Put an alarm on a metric of its own: more than 1 in one minute."""

    def alarm(**more: Any) -> str:
        name = f"alarm-{uuid.uuid4().hex[:8]}"
        usual = {
            "Namespace": "Tests",
            "MetricName": name,
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        given = {key: value for key, value in (usual | more).items() if value is not None}
        cloudwatch.put_metric_alarm(AlarmName=name, **given)
        return name

    return alarm


def _alarm(cloudwatch: Any, name: str) -> dict[str, Any]:
    found = cloudwatch.describe_alarms(
        AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    alarm: dict[str, Any] = (found["MetricAlarms"] + found["CompositeAlarms"])[0]
    return alarm


def _becomes(cloudwatch: Any, name: str, state: str) -> dict[str, Any]:
    found: dict[str, Any] = eventually(
        lambda: _alarm(cloudwatch, name), lambda alarm: alarm["StateValue"] == state
    )
    return found


@contextmanager
def _flowing(publish: Callable[[], Any]) -> Iterator[None]:
    """Call `publish` again and again: the evaluation begins whenever it does."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.1):
            with suppress(ClientError):
                publish()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _publish(cloudwatch: Any, name: str, *values: float) -> None:
    data = {"MetricName": name, "Values": list(values)}
    cloudwatch.put_metric_data(Namespace="Tests", MetricData=[data])


def test_an_alarm_begins_without_data_goes_off_and_comes_to_rest(cloudwatch: Any, put: Put) -> None:
    name = put(TreatMissingData="notBreaching")
    assert _alarm(cloudwatch, name)["StateValue"] == "INSUFFICIENT_DATA"
    assert _becomes(cloudwatch, name, "OK")["StateReason"].startswith("Threshold Crossed")
    with _flowing(lambda: _publish(cloudwatch, name, 5.0)):
        alarm = _becomes(cloudwatch, name, "ALARM")
    assert "greater than the threshold (1.0)" in alarm["StateReason"]
    assert json.loads(alarm["StateReasonData"])["recentDatapoints"][-1] >= 5.0
    _becomes(cloudwatch, name, "OK")


def test_an_alarm_without_data_says_so(cloudwatch: Any, put: Put) -> None:
    name = put()
    with _flowing(lambda: _publish(cloudwatch, name, 0.0)):
        _becomes(cloudwatch, name, "OK")
    assert "Insufficient Data" in _becomes(cloudwatch, name, "INSUFFICIENT_DATA")["StateReason"]


def test_a_percentile_is_taken_of_the_values(cloudwatch: Any, put: Put) -> None:
    high = put(Statistic=None, ExtendedStatistic="p90", Threshold=90.0)
    low = put(Statistic=None, ExtendedStatistic="p50", MetricName=high, Threshold=90.0)
    with _flowing(lambda: _publish(cloudwatch, high, *([1.0] * 8), 100.0, 100.0)):
        _becomes(cloudwatch, high, "ALARM")
        _becomes(cloudwatch, low, "OK")


def test_a_ratio_of_two_metrics_goes_off(cloudwatch: Any, put: Put) -> None:
    metric = f"ratio-{uuid.uuid4().hex[:8]}"

    def query(identity: str) -> dict[str, Any]:
        stat = {
            "Metric": {"Namespace": "Tests", "MetricName": f"{metric}-{identity}"},
            "Period": 60,
            "Stat": "Sum",
        }
        return {"Id": identity, "MetricStat": stat, "ReturnData": False}

    unwanted = dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period"))
    share = {"Id": "share", "Expression": "100 * errors / calls", "ReturnData": True}
    name = put(Metrics=[query("errors"), query("calls"), share], Threshold=20.0, **unwanted)

    def publish() -> None:
        _publish(cloudwatch, f"{metric}-errors", 1.0)
        _publish(cloudwatch, f"{metric}-calls", 2.0)

    with _flowing(publish):
        _becomes(cloudwatch, name, "ALARM")


def test_a_state_set_by_hand_holds_until_the_next_evaluation(cloudwatch: Any, put: Put) -> None:
    name = put(TreatMissingData="notBreaching")
    _becomes(cloudwatch, name, "OK")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a drill")
    assert _alarm(cloudwatch, name)["StateValue"] == "ALARM"
    _becomes(cloudwatch, name, "OK")


def test_an_alarm_that_is_put_again_keeps_its_state(cloudwatch: Any, put: Put) -> None:
    name = put(TreatMissingData="breaching")
    before = _becomes(cloudwatch, name, "ALARM")
    again = ["Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods"]
    again += ["ComparisonOperator", "TreatMissingData"]
    given = {key: before[key] for key in again}
    cloudwatch.put_metric_alarm(AlarmName=name, Threshold=2.0, **given)
    assert _alarm(cloudwatch, name)["StateValue"] == "ALARM"


def test_a_composite_alarm_follows_its_rule(cloudwatch: Any, put: Put) -> None:
    on, off = put(TreatMissingData="breaching"), put(TreatMissingData="notBreaching")
    both, either = f"both-{on}", f"either-{on}"
    rules = {both: f"ALARM({on}) AND ALARM({off})", either: f'ALARM("{on}") OR NOT OK("{off}")'}
    for name, rule in rules.items():
        cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=rule)
    with pytest.raises(ClientError, match="Invalid AlarmRule"):
        cloudwatch.put_composite_alarm(AlarmName="never", AlarmRule="ALARM(a) PLUS ALARM(b)")
    _becomes(cloudwatch, either, "ALARM")
    _becomes(cloudwatch, both, "OK")


def test_a_change_of_state_is_published_to_the_topic(aws: Aws, cloudwatch: Any, put: Put) -> None:
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:alarms"
    )
    name = put(TreatMissingData="breaching", AlarmActions=[topic])
    got = eventually(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"))
    message = json.loads(json.loads(got[0]["Body"])["Message"])
    assert message["AlarmName"] == name
    assert (message["OldStateValue"], message["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")


@pytest.fixture(scope="module")
def failing(
    sagemaker: Any, s3: Any, models: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A model that passes its ping and fails every request."""
    folder = tmp_path_factory.mktemp("failing")
    (folder / "score.py").write_text(BROKEN)
    about = About(name="failing", script=folder / "score.py")
    archive = package_script(folder / "bundle", about=about).pack(folder / "model.tar.gz")
    s3.upload_file(str(archive), BUCKET, "failing/model.tar.gz")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/failing/model.tar.gz"}
    sagemaker.create_model(ModelName="failing", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    return "failing"


def test_real_traffic_on_a_bad_canary_rolls_it_back(
    sagemaker: Any, hosting: Hosting, put: Put, failing: str
) -> None:
    name = hosting.serve(variant("A", "logistic"))
    good = hosting.describe(name)["EndpointConfigName"]
    bad = hosting.config(variant("A", failing))
    alarm = put(
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=_dimensions(EndpointName=name, VariantName="A", EndpointConfigName=bad),
        Threshold=0.0,
        TreatMissingData="notBreaching",
    )
    with _flowing(lambda: hosting.score(name)):
        sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=bad, DeploymentConfig=_canary(alarm)
        )
        settled = hosting.settle(name)
    assert settled["EndpointStatus"] == "InService"
    assert settled["EndpointConfigName"] == good
    assert alarm in settled["FailureReason"]
    assert {hosting.score(name)["Body"].strip() for _ in range(20)} == {b"0"}


def test_real_traffic_on_a_good_canary_lets_it_through(
    sagemaker: Any, hosting: Hosting, put: Put
) -> None:
    name = hosting.serve(variant("A", "logistic"))
    better = hosting.config(variant("A", "tree"))
    alarm = put(
        Namespace="AWS/SageMaker",
        MetricName="ModelLatency",
        Dimensions=_dimensions(EndpointName=name, VariantName="A"),
        Statistic=None,
        ExtendedStatistic="p99",
        Threshold=60_000_000.0,
    )
    with _flowing(lambda: hosting.score(name)):
        sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=better, DeploymentConfig=_canary(alarm, wait=90)
        )
        settled = hosting.settle(name)
    assert settled["EndpointConfigName"] == better
    assert "FailureReason" not in settled


def _dimensions(**values: str) -> list[Mapping[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def _canary(alarm: str, *, wait: int = 300) -> dict[str, Any]:
    routing = {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": wait,
    }
    return {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
    }
