"""One AWS account and region: its clients, made when they are first used.

In the emulated account, `provision` makes what Terraform makes in a real one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from tridock.deploy.aws.errors import translated
from tridock.deploy.aws.facts import Facts
from tridock.deploy.target.errors import ConfigError, ConflictError, NotFoundError
from tridock.deploy.target.metrics import Own

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_sts import STSClient

#: `deploy.waiting.retry` alone tries again. A model has 60 s to answer, so reading takes 70
#: ("InvokeEndpoint", API reference).
CONFIG = Config(
    retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=70, max_pool_connections=10
)


@dataclass(frozen=True)
class Account:
    """Clients by the default credential chain.

    Attributes
    ----------
    session : boto3.Session
        Of the region.
    own : Own
        Requests of our own to single variants.
    """

    session: boto3.Session
    own: Own = field(default_factory=Own, compare=False)

    @classmethod
    def open(cls, settings: Mapping[str, str]) -> Account:
        """Return the account that the credential chain leads to, in the region of `settings`."""
        with translated("session"):
            return cls(boto3.Session(region_name=settings.get("region") or None))

    @property
    def region(self) -> str:
        """The region's name."""
        return self.sagemaker.meta.region_name

    def number(self) -> str:
        """Ask who we are, and return the account's twelve digits."""
        return self._caller()[0]

    def identity(self) -> str:
        """Ask who we are, and say it."""
        number, arn = self._caller()
        elsewhere = os.environ.get("AWS_ENDPOINT_URL")
        return f"account {number}, {self.region}, as {arn}" + (
            f", at {elsewhere}" if elsewhere else ""
        )

    def caller(self) -> str:
        """Return the ARN that AWS knows us by (Security Token Service, GetCallerIdentity)."""
        return self._caller()[1]

    def _caller(self) -> tuple[str, str]:
        with translated("sts"):
            identity_record = self.sts.get_caller_identity()
        return identity_record["Account"], identity_record["Arn"]

    @cached_property
    def sagemaker(self) -> SageMakerClient:
        """The control plane."""
        with translated("sagemaker"):
            return self.session.client("sagemaker", config=CONFIG)

    @cached_property
    def facts(self) -> Facts:
        """Cache of answers that cannot change."""
        return Facts(self.sagemaker)

    @cached_property
    def runtime(self) -> SageMakerRuntimeClient:
        """The data plane."""
        with translated("sagemaker-runtime"):
            return self.session.client("sagemaker-runtime", config=CONFIG)

    @cached_property
    def s3(self) -> S3Client:
        """Bucket of the bundles."""
        with translated("s3"):
            return self.session.client("s3", config=CONFIG)

    @cached_property
    def autoscaling(self) -> Any:
        """Application Auto Scaling."""
        with translated("application-autoscaling"):
            return self.session.client("application-autoscaling", config=CONFIG)

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        """The service of metrics."""
        with translated("cloudwatch"):
            return self.session.client("cloudwatch", config=CONFIG)

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """CloudWatch Logs."""
        with translated("logs"):
            return self.session.client("logs", config=CONFIG)

    @cached_property
    def sts(self) -> STSClient:
        """Identity of the caller."""
        with translated("sts"):
            return self.session.client("sts", config=CONFIG)

    @cached_property
    def iam(self) -> IAMClient:
        """Roles."""
        with translated("iam"):
            return self.session.client("iam", config=CONFIG)


# In the emulated account, what Terraform makes in a real one: a bucket and a role.

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
    made = {"bucket": bucket, "role": role, "image": settings["image"] or image}
    return {**settings, "region": region, **made}


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
