"""Releases that are configured by the module's planned outputs and by nothing else."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.deploy import bundles
from tests.deploy.commandline import ROOT, Door
from tests.terraform.conftest import Planned
from tridock.inference.bundle.bundle import Bundle

ANSWER = {"predictions": ["setosa"]}
EMULATORS = [sys.executable, "-m", "tridock.emulators"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundles.good(tmp_path_factory.mktemp("bundle") / "1", "1")


@contextmanager
def _emulated(cloud: str, state: Path) -> Iterator[dict[str, str]]:
    """Start an emulator and yield the environment that leads clients to it."""
    where = [cloud, "--state", str(state)]
    subprocess.run([*EMULATORS, "up", *where, "--speed", "600"], check=True)
    try:
        command = [*EMULATORS, "env", *where]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        words = [
            shlex.split(line)[1] for line in said.stdout.splitlines() if line.startswith("export ")
        ]
        yield dict(word.split("=", 1) for word in words)
    finally:
        subprocess.run([*EMULATORS, "down", *where], check=True)


def _outputs(plan: Mapping[str, Any], to: Path) -> Mapping[str, str]:
    """Write the planned outputs as Terraform prints them, and return those of the deployer."""
    told = plan["planned_values"]["outputs"]
    to.write_text(json.dumps({name: one for name, one in told.items() if "value" in one}))
    values: Mapping[str, str] = told["deploy"]["value"]
    return values


def _release(cloud: str, bundle: Bundle, file: Path, environment: dict[str, str]) -> Any:
    """Register, release, ask and delete by the live door, which leads to the emulator here."""
    door = Door(cloud, file.parent / "state")
    words = ("--live", "--yes", "--set", f"terraform={file}")
    entered = door("models register", "--bundle", bundle.path, *words, environment=environment)
    assert entered.code == 0, entered.err
    approved = door("models approve", "iris", "--reason", "tried", *words, environment=environment)
    assert approved.code == 0, approved.err
    said = door("release", "--bundle", bundle.path, *words, "--json", environment=environment)
    assert said.code == 0, said.err
    asked = door(
        "invoke", "--data", '{"instances": [[5.1, 3.5, 1.4, 0.2]]}', *words, environment=environment
    )
    assert asked.code == 0, asked.err
    assert door("delete", *words, environment=environment).code == 0
    return json.loads(asked.out)


def test_on_aws(planned: Planned, bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    told = _outputs(planned("aws"), file)
    with _emulated("aws", tmp_path / "state") as environment:
        client = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=told["region"],
        ).client
        url = environment["AWS_ENDPOINT_URL"]
        client("s3", endpoint_url=url).create_bucket(Bucket=told["bucket"])
        statement = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
        }
        client("iam", endpoint_url=url).create_role(
            RoleName=told["role"].rpartition("/")[2],
            AssumeRolePolicyDocument=json.dumps({"Statement": [statement]}),
        )
        assert _release("aws", bundle, file, environment) == ANSWER


def test_on_google_cloud(planned: Planned, bundle: Bundle, tmp_path: Path) -> None:
    with _emulated("gcp", tmp_path / "state") as environment:
        file = tmp_path / "outputs.json"
        told = _outputs(planned("gcp", project=environment["GOOGLE_CLOUD_PROJECT"]), file)
        script = (
            "from google.cloud import storage; import sys; "
            "storage.Client().create_bucket(sys.argv[1], location=sys.argv[2])"
        )
        words = [sys.executable, "-c", script, told["bucket"], told["location"]]
        subprocess.run(words, env={"PATH": "", **environment}, check=True)
        assert _release("gcp", bundle, file, environment) == ANSWER


def test_on_azure(planned: Planned, bundle: Bundle, tmp_path: Path) -> None:
    with _emulated("azure", tmp_path / "state") as environment:
        file = tmp_path / "outputs.json"
        subscription = environment["AZURE_SUBSCRIPTION_ID"]
        _outputs(planned("azure", subscription_id=subscription), file)
        script = (
            "from azure.ai.ml import MLClient; from azure.ai.ml.entities import Workspace; "
            "from azure.identity import DefaultAzureCredential; import sys; "
            "MLClient(DefaultAzureCredential(), *sys.argv[1:3]).workspaces.begin_create("
            "Workspace(name=sys.argv[3], location='eastus2')).result()"
        )
        told = json.loads(file.read_text())["deploy"]["value"]
        names = [told[name] for name in ("subscription", "group", "workspace")]
        words = [sys.executable, "-W", "ignore", "-c", script, *names]
        subprocess.run(words, env={"PATH": "", **environment}, check=True)
        assert _release("azure", bundle, file, environment) == ANSWER
