"""An emulated AWS account that enforces IAM, with what the module makes standing in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tridock.deploy.aws.account import Account
from tridock.deploy.aws.store import Store
from tridock.deploy.aws.target import SageMakerTarget
from tridock.deploy.aws.updates import Updates
from tridock.emulators import daemon
from tridock.emulators.place import Place

DOOR = [sys.executable, "-m", "tridock.emulators"]
#: Emulated seconds per second.
SPEED = "600"
#: IAM takes no policy without a statement, and everybody may do this.
NOTHING = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole"}


@dataclass(frozen=True)
class Standing:
    """The account.

    Attributes
    ----------
    outputs : Mapping
        Of the module.
    root : boto3.Session
        Who may do everything.
    deployer : boto3.Session
        Who may do what `allow` says.
    """

    outputs: Mapping[str, Any]
    root: boto3.Session
    deployer: boto3.Session

    @property
    def policy(self) -> dict[str, Any]:
        """The deployer's policy as the module renders it."""
        return dict(json.loads(self.outputs["deployer_policy"]))

    @property
    def actions(self) -> set[str]:
        """The actions of the policy."""
        return {action for each in self.policy["Statement"] for action in _list(each["Action"])}

    def allow(self, actions: set[str]) -> None:
        """Give the deployer the policy with these of its actions alone."""
        kept = [
            {**each, "Action": sorted(set(_list(each["Action"])) & actions)}
            for each in self.policy["Statement"]
        ]
        policy = {"Statement": [each for each in kept if each["Action"]] or [NOTHING]}
        _allow(self.root.client("iam"), "deployer", policy)

    def target(self) -> SageMakerTarget:
        """Return the account as the deployer sees it."""
        account, told = Account(self.deployer), self.outputs["deploy"]
        store = Store(account.s3, told["bucket"])
        updates = Updates(account)
        return SageMakerTarget(account, store, told["role"], updates, image=told["image"])


@contextmanager
def standing(
    outputs: Mapping[str, Any], state: Path, environment: pytest.MonkeyPatch
) -> Iterator[Standing]:
    """Start an emulator, lead boto3 to it, make what `outputs` name, and switch IAM on."""
    where = ["aws", "--state", str(state)]
    subprocess.run([*DOOR, "up", *where, "--speed", SPEED], check=True, timeout=600)
    try:
        variables = daemon.environment(Place("aws", state))
        url = variables["AWS_ENDPOINT_URL"]
        own = variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
        environment.setenv("AWS_ENDPOINT_URL", url)
        iam = _session(*own).client("iam")
        users = {name: _user(iam, name) for name in ("root", "deployer")}
        _allow(iam, "root", {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
        _make(_session(*own), outputs)
        switch = f"{url}/moto-api/reset-auth"
        headers = {
            "Content-Type": "text/plain",
            "Authorization": f"Bearer {variables['TRIDOCK_AWS_TOKEN']}",
        }
        httpx.post(switch, content=b"0", headers=headers, trust_env=False).raise_for_status()
        yield Standing(outputs, users["root"], users["deployer"])
    finally:
        subprocess.run([*DOOR, "down", *where], check=True, timeout=600)


def _make(session: boto3.Session, outputs: Mapping[str, Any]) -> None:
    trust = {**TRUST, "Principal": {"Service": "sagemaker.amazonaws.com"}}
    session.client("iam").create_role(
        RoleName=outputs["deploy"]["role"].rpartition("/")[2],
        AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}),
    )
    s3, bucket = session.client("s3"), outputs["deploy"]["bucket"]
    s3.create_bucket(Bucket=bucket)
    rule: Any = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": outputs["key"]}
    encrypted: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encrypted)


def _user(iam: Any, name: str) -> boto3.Session:
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return _session(key["AccessKeyId"], key["SecretAccessKey"])


def _allow(iam: Any, user: str, policy: Mapping[str, Any]) -> None:
    document = json.dumps({"Version": "2012-10-17", **policy})
    iam.put_user_policy(UserName=user, PolicyName="policy", PolicyDocument=document)


def _session(key: str, secret: str) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1"
    )


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
