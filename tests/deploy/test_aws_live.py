"""What SageMaker itself knows of live requests: captured answers, and alarms that go off."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from tests.deploy.commandline import ROOT, Door
from tests.deploy.staging import name_of
from tridock.deploy.aws import observability
from tridock.deploy.aws.store import Store
from tridock.deploy.aws.updates import Guard
from tridock.deploy.target.errors import ConfigError
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle

#: Emulated seconds per second.
SPEED = "600"
SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [7.2, 3.6, 6.1, 2.5]
ALARM = "tridock-dev-iris-5xx"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    state = tmp_path_factory.mktemp("aws")
    where, named = [sys.executable, "-m", "tridock.emulators"], ["aws", "--state", str(state)]
    subprocess.run([*where, "up", *named, "--speed", SPEED], cwd=ROOT, check=True)
    yield Door("aws", state)
    subprocess.run([*where, "down", *named], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def session(door: Door) -> Iterator[boto3.Session]:
    """Somebody else's session in the emulated account."""
    command = [sys.executable, "-m", "tridock.emulators", "env", "aws", "--state", str(door.state)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = [shlex.split(line)[1] for line in said.splitlines() if line.startswith("export ")]
    with pytest.MonkeyPatch.context() as environment:
        for name, value in (word.split("=", 1) for word in words):
            environment.setenv(name, value)
        yield boto3.Session()


def released(door: Door, bundle: Bundle, *settings: str, code: int = 0) -> str:
    words = [word for setting in settings for word in ("--set", setting)]
    told = door("release", "--bundle", bundle.path, *words)
    assert told.code == code, told.err
    return told.err


def test_labels_find_their_answers_by_the_requests_ids(
    door: Door, session: boto3.Session, v1: Bundle, v2: Bundle, tmp_path: Path
) -> None:
    released(door, v1, "aws.capture=100")
    released(door, v2, "aws.capture=100", "strategy=ab", "split=50")
    runtime, answered = session.client("sagemaker-runtime"), Counter[str]()
    lines = ["request_id,label"]
    for number in range(20):
        row, label = ((SETOSA, "setosa"), (VIRGINICA, "setosa"))[number % 2]
        answer = runtime.invoke_endpoint(
            EndpointName="iris",
            Body=json.dumps({"instances": [row]}),
            ContentType="application/json",
            InferenceId=f"request-{number}",
        )
        answered[answer["InvokedProductionVariant"]] += 1
        lines.append(f"request-{number},{label}")
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(lines))
    # Capture is part of what runs, and so of the names.
    split = door("traffic", "--json").json()["traffic"]
    assert answered.keys() == split.keys()
    assert {name.rsplit("-", 1)[0] for name in split} == {name_of(v1), name_of(v2)}
    until_captured(session, answered)
    told = door("compare", "--labels", labels, "--json").json()
    sides = [told["old"], told["new"]]
    assert {each["name"]: each["labelled"] for each in sides} == answered
    assert sum(each["right"] for each in sides) == 10
    assert sum(each["requests"] for each in sides) >= 20
    # The model servers count the judge's own requests, too.
    assert {name for each in sides for name in each["predictions"]} >= {"setosa", "virginica"}
    assert door("stop").code == 0
    assert door("delete").code == 0  # the next test's endpoint has no release to retire


def store_of(session: boto3.Session) -> Store:
    s3 = session.client("s3")
    return Store(s3, s3.list_buckets()["Buckets"][0]["Name"])


def until_captured(session: boto3.Session, answered: Mapping[str, int]) -> None:
    """Wait until all answers are there: a file is written once a minute."""
    store, began = store_of(session), datetime.now(UTC) - timedelta(minutes=10)

    def captured_by(variant: str) -> int:
        return len(observability.captured(store, "iris", variant, began))

    wait.until(
        lambda: all(captured_by(name) == count for name, count in answered.items()),
        Deadline.after(60),
        goal="captured",
    )


def test_a_captured_answer_of_before_or_without_an_id_is_not_ours(
    session: boto3.Session,
) -> None:
    store = store_of(session)
    now = datetime(2026, 3, 1, 10, 0, 30, tzinfo=UTC)

    def line(seconds: int, encoding: str, data: str, **event: str) -> str:
        when = (now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        output = {"data": data, "encoding": encoding}
        kept = {"captureData": {"endpointOutput": output}}
        return json.dumps({**kept, "eventMetadata": {"inferenceTime": when, **event}})

    lines = [
        line(9, "JSON", '{"predictions": ["later"]}', inferenceId="2"),
        line(0, "BASE64", "eyJwcmVkaWN0aW9uIjogInllcyJ9", inferenceId="1"),
        line(0, "JSON", '{"predictions": ["nobody"]}'),
        line(-9, "JSON", '{"predictions": ["before"]}', inferenceId="0"),
        line(0, "JSON", '{"error": "none"}', inferenceId="3"),
        "torn",
    ]
    for folder in ("2026/03/01/09/59", "2026/03/01/08/00"):
        key = f"capture/other/v1/{folder}-1.jsonl"
        store.s3.put_object(Bucket=store.bucket, Key=key, Body="\n".join(lines).encode())
    found = observability.captured(store, "other", "v1", now)
    assert [(one.request, one.predictions) for one in found] == [
        ("1", ("yes",)),
        ("2", ("later",)),
    ]
    assert not observability.captured(store, "nobody", "v1", now)


def test_an_alarm_takes_the_traffic_back_and_the_release_says_so(
    door: Door, session: boto3.Session, v1: Bundle, v2: Bundle
) -> None:
    cloudwatch, sagemaker = session.client("cloudwatch"), session.client("sagemaker")
    cloudwatch.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[{"Name": "EndpointName", "Value": "nobody"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    released(door, v1)
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="tried")
    said = released(door, v2, f"aws.alarms={ALARM}", "gates.requests=0", code=4)
    assert "rolled back by itself" in said
    assert f"alarm(s) have triggered: [{ALARM}]" in said
    assert door("traffic", "--json").json()["traffic"] == {name_of(v1): 100}

    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="tried")
    released(door, v2, f"aws.alarms={ALARM}", "steps=100")
    told = sagemaker.describe_endpoint(EndpointName="iris")["LastDeploymentConfig"]
    assert told["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": ALARM}]}


def test_settings_that_sagemaker_would_not_take_are_refused() -> None:
    assert Guard.of("a, b c", "0") == Guard(("a", "b", "c"), 0)
    for alarms, seconds in (("a", "soon"), ("a", "3601"), (",".join(map(str, range(11))), "1")):
        with pytest.raises(ConfigError):
            Guard.of(alarms, seconds)
    assert observability.capture_percent("") is None
    assert observability.capture_config("bucket", 0) == {}
    for percent in ("101", "-1", "half"):
        with pytest.raises(ConfigError, match=r"aws\.capture"):
            observability.capture_percent(percent)


def test_the_judges_requests_are_none_of_the_experiments(
    door: Door, v1: Bundle, v2: Bundle
) -> None:
    released(door, v1)
    released(door, v2, "strategy=ab", "split=50", "gates.requests=30")
    told = door("compare", "--json")
    assert told.code == 0, told.err
    assert [told.json()[side]["requests"] for side in ("old", "new")] == [0, 0]
    assert door("delete").code == 0
