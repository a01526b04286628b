"""State over restarts, kills and resets: one emulator for these tests, ended as each one asks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulators.aws.hosting import IMAGE, ROLE, Aws, Hosting, control, eventually, variant
from tests.emulators.kills.trial import kill
from tests.processes import command_lines
from tridock.emulators import daemon
from tridock.emulators.place import Place

TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
}

JOB = {
    "TransformJobName": "interrupted",
    "ModelName": "m",
    "TransformInput": {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://models/just"}}
    },
    "TransformOutput": {"S3OutputPath": "s3://models/out"},
    "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place("aws", tmp_path_factory.mktemp("kept"))
    yield place
    daemon.down(place)


def _up(place: Place) -> Aws:
    daemon.up(place)
    return Aws(place, daemon.environment(place))


@pytest.fixture(scope="module")
def filled(place: Place, archives: Mapping[str, Path]) -> dict[str, Any]:
    """An account with an endpoint that serves; what boto3 says of it."""
    aws = _up(place)
    s3, sagemaker, iam = (aws.client(name) for name in ("s3", "sagemaker", "iam"))
    s3.create_bucket(Bucket="models")
    s3.upload_file(
        str(archives["logistic"]), "models", "m.tar.gz", ExtraArgs={"Metadata": {"a": "b"}}
    )
    s3.put_object(Bucket="models", Key="with space/%2F", Body=b"x" * 3_000_000)
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument=json.dumps(TRUST))
    aws.client("sqs").create_queue(QueueName="queue")
    aws.client("kms").create_key(Description="key")
    sagemaker.create_model(
        ModelName="m",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://models/m.tar.gz"},
    )
    hosting = Hosting(sagemaker, aws.client("sagemaker-runtime"))
    name = hosting.serve(variant("A", "m", 3))
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "A", "DesiredWeight": 2}],
    )
    hosting.settle(name)
    return {"endpoint": name, "seen": _seen(aws, name)}


def _seen(aws: Aws, endpoint: str) -> dict[str, Any]:
    s3, sagemaker = aws.client("s3"), aws.client("sagemaker")
    described = sagemaker.describe_endpoint(EndpointName=endpoint)
    described.pop("LastModifiedTime")  # it served again just now
    found = {
        "objects": s3.list_objects_v2(Bucket="models")["Contents"],
        "metadata": s3.head_object(Bucket="models", Key="m.tar.gz")["Metadata"],
        "body": s3.get_object(Bucket="models", Key="with space/%2F")["Body"].read(),
        "models": sagemaker.list_models()["Models"],
        "configs": sagemaker.list_endpoint_configs()["EndpointConfigs"],
        "endpoint": described,
        "roles": aws.client("iam").list_roles()["Roles"],
        "queues": aws.client("sqs").list_queues()["QueueUrls"],
        "keys": aws.client("kms").list_keys()["Keys"],
    }
    described.pop("ResponseMetadata")
    return found


def _servers(place: Place) -> list[str]:
    """Return the model servers of `place` among this machine's processes."""
    return command_lines("inference serve", str(place.folder))


def _score(aws: Aws, name: str) -> tuple[str, bytes]:
    answer = Hosting(aws.client("sagemaker"), aws.client("sagemaker-runtime")).score(name)
    return answer["InvokedProductionVariant"], answer["Body"].strip()


def test_after_down_and_up_everything_stands_and_serves_again(
    place: Place, filled: dict[str, Any]
) -> None:
    assert len(_servers(place)) == 1
    url = daemon.environment(place)["AWS_ENDPOINT_URL"]
    assert daemon.down(place)
    assert _servers(place) == []
    aws = _up(place)
    assert aws.url == url
    assert _seen(aws, filled["endpoint"]) == filled["seen"]
    assert _score(aws, filled["endpoint"]) == ("A", b"0")


def test_a_kill_leaves_no_server_behind_and_loses_nothing(
    place: Place, filled: dict[str, Any]
) -> None:
    aws = _up(place)
    aws.client("iam").create_role(
        RoleName="just-before", AssumeRolePolicyDocument=json.dumps(TRUST)
    )
    aws.client("s3").put_object(Bucket="models", Key="just-before", Body=b"kept")
    aws.client("sagemaker").create_transform_job(**JOB)
    running = daemon.find(place)
    assert running
    assert _servers(place)
    os.kill(running.pid, signal.SIGKILL)
    eventually(lambda: daemon.find(place) is None)
    eventually(lambda: not _servers(place))
    again = _up(place)
    assert again.client("iam").get_role(RoleName="just-before")
    kept = again.client("s3").get_object(Bucket="models", Key="just-before")
    assert kept["Body"].read() == b"kept"
    assert _score(again, filled["endpoint"]) == ("A", b"0")
    job = again.client("sagemaker").describe_transform_job(TransformJobName="interrupted")
    assert job["TransformJobStatus"] == "Failed"
    assert "the emulator ended while the job ran" in job["FailureReason"]


def test_a_reset_empties_it_for_good(place: Place, filled: dict[str, Any]) -> None:
    aws = _up(place)
    control(aws, "POST", "reset")
    eventually(lambda: not _servers(place))
    for again in (aws, _restarted(place)):
        assert again.client("s3").list_buckets()["Buckets"] == []
        assert again.client("sagemaker").list_endpoints()["Endpoints"] == []
        assert [role["Arn"] for role in again.client("iam").list_roles()["Roles"]] == [ROLE]


def _restarted(place: Place) -> Aws:
    daemon.down(place)
    return _up(place)


def test_state_of_another_version_is_put_aside_not_read(place: Place) -> None:
    aws = _up(place)
    aws.client("s3").create_bucket(Bucket="models")
    daemon.down(place)
    [kept] = (place.folder / "state").glob("*/s3.aws")
    kept.write_bytes(b"tridock aws state 0, moto 4.2\n" + kept.read_bytes().partition(b"\n")[2])
    assert _up(place).client("s3").list_buckets()["Buckets"] == []
    assert list(place.folder.glob("state.*/*/s3.aws"))
    assert "put aside" in place.log.read_text()


def test_drafts_of_a_killed_emulator_are_removed_and_nothing_else(tmp_path: Path) -> None:
    place = Place("aws", tmp_path)
    with _ended(place) as aws:
        aws.client("s3").create_bucket(Bucket="models")
        aws.client("s3").put_object(Bucket="models", Key="kept", Body=b"kept")
        running = daemon.find(place)
        assert running
        kill(place, running.pid)
        state = place.folder / "state"
        [blob] = [path for path in (state / "blobs").iterdir() if path.read_bytes() == b"kept"]
        drafts = [
            state / "blobs" / f".{'0' * 64}.140234",
            state / "123456789012" / ".s3.aws.140234",
        ]
        for draft in drafts:
            draft.write_bytes(b"half")
        again = _up(place)
        kept = again.client("s3").get_object(Bucket="models", Key="kept")
        assert kept["Body"].read() == b"kept"
        assert blob.exists()
        assert not [draft for draft in drafts if draft.exists()]
        assert not place.notices.exists()


def test_a_file_that_cannot_be_read_is_put_aside_alone_and_named(tmp_path: Path) -> None:
    place = Place("aws", tmp_path)
    with _ended(place) as aws:
        aws.client("s3").create_bucket(Bucket="models")
        for name in ("first", "second"):
            aws.client("s3").put_object(Bucket="models", Key=name, Body=name.encode())
        aws.client("sqs").create_queue(QueueName="jobs")
        daemon.down(place)
        state = place.folder / "state"
        queue = state / "123456789012" / "sqs.us-east-1"
        queue.write_bytes(queue.read_bytes()[:-200])
        [lost] = [path for path in (state / "blobs").iterdir() if path.read_bytes() == b"first"]
        lost.write_bytes(b"fi")
        door = [sys.executable, "-m", "tridock.emulators", "up", "aws", "--state", str(tmp_path)]
        up = subprocess.run(door, capture_output=True, text=True, timeout=120, check=True)
        warnings = [line for line in up.stderr.splitlines() if line.startswith("warning: ")]
        assert len(warnings) == 2
        assert "123456789012/sqs.us-east-1 cannot be read" in up.stderr
        assert "object models/first is lost" in up.stderr
        assert "put aside in" in place.log.read_text()
        again = Aws(place, daemon.environment(place))
        assert "QueueUrls" not in again.client("sqs").list_queues()
        listed = again.client("s3").list_objects_v2(Bucket="models")["Contents"]
        assert [each["Key"] for each in listed] == ["second"]
        assert list(place.folder.glob("state.*/123456789012/sqs.us-east-1"))
        second = again.client("s3").get_object(Bucket="models", Key="second")
        assert second["Body"].read() == b"second"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 24 MB of its own."""
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_full_disk_is_the_clouds_error_and_nothing_is_half_done(small: Path) -> None:
    place = Place("aws", small)
    with _ended(place) as aws:
        s3, sagemaker = aws.client("s3"), aws.client("sagemaker")
        s3.create_bucket(Bucket="models")
        kept = [f"{number}" for number in range(12)]
        for name in kept:
            s3.put_object(Bucket="models", Key=name, Body=os.urandom(1 << 20))
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket="models", Key="more", Body=os.urandom(_free(small)))
        assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        (small / "ballast").write_bytes(b"\0" * _free(small))
        with pytest.raises(ClientError) as made:
            sagemaker.create_model_package_group(ModelPackageGroupName="none")
        assert made.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []
        assert _names(s3) == sorted(kept)
        s3.delete_object(Bucket="models", Key=kept[0])  # on the full disk
        assert _names(s3) == sorted(kept[1:])
        s3.put_object(Bucket="models", Key=kept[0], Body=b"small")
        assert daemon.down(place)
        again = _up(place)
        assert _names(again.client("s3")) == sorted(kept)
        assert not list(place.folder.glob("state.[0-9]*"))


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _names(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket="models").get("Contents", [])]


@contextmanager
def _ended(place: Place) -> Iterator[Aws]:
    """Bring an emulator up, and down at the end."""
    try:
        yield _up(place)
    finally:
        daemon.down(place)
