"""In the emulated account, what Terraform makes in a real one: a bucket and a role."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tridock.deploy.aws.account import Account
from tridock.deploy.aws.errors import translated
from tridock.deploy.target.errors import ConfigError, ConflictError, NotFoundError

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

ROLE = "tridock-endpoint"


def provision(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Make the bucket and the role where `settings` name none, and return them completed.

    Raises
    ------
    ConfigError
        If the clients do not lead to this machine: a real account is Terraform's.
    """
    host = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname
    if host not in ("127.0.0.1", "localhost", "::1"):
        raise ConfigError(f"AWS_ENDPOINT_URL leads to {host}, which is no emulator on this machine")
    account = Account.open(settings)
    number, region = account.number(), account.region
    image = f"{number}.dkr.ecr.{region}.amazonaws.com/tridock:latest"
    bucket = settings["bucket"] or _bucket(account, f"tridock-{number}-{region}")
    role = settings["role"] or _role(account.iam)
    found = {"bucket": bucket, "role": role, "image": settings["image"] or image}
    return {**settings, "region": region, **found}


def _bucket(account: Account, name: str) -> str:
    place: Any = {"Bucket": name}
    if account.region != "us-east-1":
        place |= {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    with suppress(NotFoundError), translated("s3"):
        account.s3.head_bucket(Bucket=name)
        return name
    with translated("s3"):
        account.s3.create_bucket(**place)
    return name


def _role(iam: IAMClient) -> str:
    """Return the ARN of a role that SageMaker may take, and that may read, pull and log."""
    with suppress(NotFoundError), translated("iam"):
        return iam.get_role(RoleName=ROLE)["Role"]["Arn"]
    with suppress(ConflictError), translated("iam"):
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=_policy(_TRUST))
    with translated("iam"):
        iam.put_role_policy(RoleName=ROLE, PolicyName="endpoint", PolicyDocument=_policy(_RIGHTS))
        return iam.get_role(RoleName=ROLE)["Role"]["Arn"]


_TRUST = {"Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
_RIGHTS = {"Action": ["s3:GetObject", "s3:ListBucket", "ecr:*", "logs:*"], "Resource": "*"}


def _policy(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})
