"""One AWS account and region: its clients, made when they are first used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tridock.deploy.aws.errors import translated
from tridock.deploy.aws.facts import Facts
from tridock.deploy.target.own_requests import Own

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
