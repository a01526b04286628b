"""Releases to emulated SageMaker through the door, and what they leave there."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.deploy import bundles
from tests.deploy.commandline import ROOT, Door
from tests.deploy.staging import name_of
from tridock.deploy.aws.account import CONFIG
from tridock.deploy.aws.models import SageMakerModels
from tridock.deploy.aws.store import Store
from tridock.deploy.target.errors import ConflictError
from tridock.deploy.target.model_registry import entry
from tridock.deploy.waiting.retry import Policy, retrying_models
from tridock.inference.bundle.bundle import Bundle

#: Emulated seconds per second.
SPEED = "600"


@dataclass(frozen=True)
class Account:
    """The emulated account, seen by somebody else's boto3."""

    environment: Mapping[str, str]

    def client(self, service: Any, config: Any = None) -> Any:
        return boto3.client(
            service,
            config=config,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def left(self) -> dict[str, list[str]]:
        """Name everything that a release may leave."""
        sagemaker, s3 = self.client("sagemaker"), self.client("s3")
        buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        contents = [s3.list_objects_v2(Bucket=name).get("Contents", ()) for name in buckets]
        return {
            "endpoints": [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]],
            "configs": [
                one["EndpointConfigName"]
                for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]
            ],
            "models": [one["ModelName"] for one in sagemaker.list_models()["Models"]],
            "bundles": [one["Key"] for content in contents for one in content],
        }


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    state = tmp_path_factory.mktemp("aws")
    where = [sys.executable, "-m", "tridock.emulators"]
    named = ["aws", "--state", str(state)]
    subprocess.run([*where, "up", *named, "--speed", SPEED], cwd=ROOT, check=True)
    yield Door("aws", state)
    subprocess.run([*where, "down", *named], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def account(door: Door) -> Account:
    command = [sys.executable, "-m", "tridock.emulators", "env", "aws", "--state", str(door.state)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = [shlex.split(line)[1] for line in said.splitlines() if line.startswith("export ")]
    return Account(dict(word.split("=", 1) for word in words))


NOTHING: dict[str, list[str]] = {"endpoints": [], "configs": [], "models": [], "bundles": []}


def test_two_releases_a_rollback_and_a_deletion_leave_nothing(
    door: Door, account: Account, v1: Bundle, v2: Bundle
) -> None:
    first = door("release", "--bundle", v1.path, "--json")
    assert first.code == 0, first.err
    said = door("release", "--bundle", v2.path, "--json")
    assert said.code == 0, said.err
    assert said.json()["traffic"] == {name_of(v2): 100}
    left = account.left()
    assert sorted(left["models"]) == [f"iris--{name_of(v1)}", f"iris--{name_of(v2)}"]
    assert len(left["configs"]) == 1
    _check_snippet(said.json()["snippets"], v2)
    assert door("rollback", "--json").json()["traffic"] == {name_of(v1): 100}
    assert door("delete").code == 0
    assert account.left() == NOTHING


def _check_snippet(snippets: Mapping[str, str], bundle: Bundle) -> None:
    """Paste the call into a shell without settings of ours, as the message says."""
    call = shlex.join([sys.executable, "-c", snippets["boto3"]])
    pasted = ["bash", "-c", f"{snippets['shell']}\n{call}"]
    said = subprocess.run(pasted, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == {"predictions": [bundle.manifest.examples[0].prediction]}


def test_a_gate_that_says_no_leaves_all_as_it_was(
    door: Door, account: Account, v1: Bundle, tmp_path: Path
) -> None:
    assert door("release", "--bundle", v1.path).code == 0
    before = account.left()
    said = door("release", "--bundle", bundles.lying(tmp_path / "lying", "2").path)
    assert said.code == 3
    assert "at 10 %: agreement failed" in said.err
    after = account.left()
    assert (after["models"], after["bundles"]) == (before["models"], before["bundles"])
    assert len(after["configs"]) == 1
    assert door("status", "--json").json()[0]["traffic"] == {name_of(v1): 100}


def test_a_crashing_update_is_taken_back_with_its_last_words(
    door: Door, account: Account, v1: Bundle, tmp_path: Path
) -> None:
    assert door("release", "--bundle", v1.path).code == 0
    before = account.left()
    bundle = bundles.crashing(tmp_path / "bundle", "2")
    said = door("release", "--bundle", bundle.path, "--set", "gates.requests=0")
    assert said.code == 1
    assert "the weights are gone" in said.err
    assert account.left()["models"] == before["models"]
    assert account.left()["bundles"] == before["bundles"]
    assert door("delete").code == 0
    assert account.left() == NOTHING


def test_a_crashing_first_release_leaves_nothing(
    door: Door, account: Account, tmp_path: Path
) -> None:
    bundle = bundles.crashing(tmp_path / "bundle", "1")
    said = door("release", "--bundle", bundle.path, "--set", "gates.requests=0")
    assert said.code == 1
    assert "did not pass the ping health check" in said.err
    assert account.left() == NOTHING


def test_a_wrong_role_is_refused_in_the_clouds_words_and_leaves_nothing(
    door: Door, account: Account, v1: Bundle
) -> None:
    role = {"TRIDOCK_AWS_ROLE": "arn:aws:iam::123456789012:role/nobody"}
    said = door("release", "--bundle", v1.path, environment=role)
    assert said.code == 4
    assert "arn:aws:iam::123456789012:role/nobody" in said.err
    assert "sts:AssumeRole" in said.err
    assert account.left() == NOTHING


def test_a_missing_bucket_is_refused_in_the_clouds_words(door: Door, v1: Bundle) -> None:
    said = door("release", "--bundle", v1.path, "--set", "aws.bucket=nobodys-bucket")
    assert said.code == 4
    assert "NoSuchBucket" in said.err


def test_live_without_credentials_is_exit_code_6_with_advice(
    door: Door, v1: Bundle, tmp_path: Path
) -> None:
    nobody = {
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
    }
    said = door("release", "--bundle", v1.path, "--live", "--yes", environment=nobody)
    assert said.code == 6
    assert "aws sso login" in said.err


def test_live_shows_plan_and_cost_and_wants_a_yes(door: Door, account: Account, v1: Bundle) -> None:
    """The real chain, led to the emulator: nothing here reaches a real account."""
    settings = {
        "TRIDOCK_AWS_BUCKET": "tridock-123456789012-us-east-1",
        "TRIDOCK_AWS_ROLE": "arn:aws:iam::123456789012:role/tridock-endpoint",
        "TRIDOCK_AWS_IMAGE": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tridock:latest",
    }
    chain = {**account.environment, **settings}
    words = ("--bundle", v1.path, "--live", "--set", "aws.count=2")
    assert door("release", *words, environment=chain).code == 3  # nobody approved it
    assert door("models register", *words, "--yes", environment=chain).code == 0
    approve = ("models approve", "iris", "--reason", "looked at it", "--live", "--yes")
    assert door(*approve, environment=chain).code == 0
    _deployable_by_others(account, "iris")
    said = door("release", *words, stdin="no\n", environment=chain)
    assert said.code == 2
    assert "not confirmed, nothing was changed" in said.err
    assert "create endpoint iris" in said.out
    assert "then $0.230" in said.out
    assert "compared with the price list, which is: Amazon SageMaker" in said.out
    (kept,) = account.left()["bundles"]
    assert kept == f"models/{v1.digest}/model.tar.gz"
    said = door("release", *words, stdin="yes\n", environment=chain)
    assert said.code == 0, said.err
    assert door("delete", "--live", "--yes", environment=chain).code == 0
    assert account.left() == NOTHING | {"bundles": [kept]}
    del chain["TRIDOCK_AWS_ROLE"]
    said = door("release", *words, environment=chain)
    assert said.code == 2
    assert "aws.role is not set" in said.err


def _deployable_by_others(account: Account, model: str) -> None:
    """Make of the approved package what the console makes of it, and take it away."""
    sagemaker = account.client("sagemaker")
    (found,) = sagemaker.list_model_packages(ModelPackageGroupName=model)["ModelPackageSummaryList"]
    container = {"ModelPackageName": found["ModelPackageArn"]}
    role = "arn:aws:iam::123456789012:role/tridock-endpoint"
    sagemaker.create_model(ModelName=model, ExecutionRoleArn=role, PrimaryContainer=container)
    sagemaker.delete_model(ModelName=model)


def test_of_two_packages_that_tell_one_version_the_first_is_it(
    account: Account, v1: Bundle, v2: Bundle
) -> None:
    sagemaker, s3 = account.client("sagemaker"), account.client("s3")
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    models = SageMakerModels(sagemaker, Store(s3, bucket), "kit:1")
    sagemaker.create_model_package_group(ModelPackageGroupName="nobodys")
    with pytest.raises(ConflictError, match="is not ours"):
        models._make_group("nobodys")
    assert "nobodys" not in models.names()
    first = models.register(v2)
    told = replace(entry(v1, first.artifact), version=v2.version)
    models._make_package(told)  # a race that was lost: it looked before the other was there
    assert models.versions("iris")[0] == first
    assert models.register(v2) == first


def test_a_registration_whose_answers_are_lost_is_one_version(
    account: Account, tmp_path: Path
) -> None:
    bundle = bundles.measured(tmp_path / "lost", "lost", "1")
    s3, url = account.client("s3"), account.environment["AWS_ENDPOINT_URL"]
    lost = ("CreateModelPackageGroup", "CreateModelPackage", "AddTags")
    plan = [{"operation": name, "kind": "drop-after", "nth": 1} for name in lost]
    token = account.environment["TRIDOCK_AWS_TOKEN"]
    headers = {"Authorization": f"Bearer {token}"}
    httpx.put(f"{url}/_emulator/faults", json=plan, headers=headers).raise_for_status()
    store = Store(s3, s3.list_buckets()["Buckets"][0]["Name"])
    models = SageMakerModels(account.client("sagemaker", CONFIG), store, "kit:1")
    patient = retrying_models(models, Policy(first=0.01))
    assert patient.register(bundle).number == "1"
    patient.alias("lost", "champion", "1")
    (found,) = models.versions("lost")
    assert found.aliases == ("champion",)
    assert len(models._arns("lost")) == 1
    told = httpx.get(f"{url}/_emulator/faults", headers=headers).json()
    assert [one["operation"] for one in told["met"]] == list(lost)
    httpx.put(f"{url}/_emulator/faults", json=[], headers=headers).raise_for_status()
