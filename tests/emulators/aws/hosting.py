"""What tests of the emulated AWS work with: clients, endpoints, patience."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import boto3
import httpx
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tridock.emulators import daemon
from tridock.emulators.place import Place

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tridock:1"
ROLE = "arn:aws:iam::123456789012:role/AmazonSageMaker-ExecutionRole"
BUCKET = "models"
ROW = b"5.1,3.5,1.4,0.2\n"

#: One clear setosa and one clear virginica: both models agree with the labels.
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


@dataclass(frozen=True)
class Aws:
    """A running emulator and clients that know it."""

    place: Place
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        return self.environment["AWS_ENDPOINT_URL"]

    def client(self, service: str, **settings: Any) -> Any:
        given = Config(**({"retries": {"max_attempts": 1}} | settings))
        session = boto3.Session(
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.environment["AWS_REGION"],
        )
        client: Any = session.client(service, endpoint_url=self.url, config=given)  # type: ignore[call-overload]
        return client


@contextmanager
def emulated(state: Path, speed: int = 60) -> Iterator[Aws]:
    """Bring an emulator up by its own door, and down again."""
    door = [sys.executable, "-m", "tridock.emulators"]
    up = [*door, "up", "aws", "--state", str(state), "--speed", str(speed)]
    subprocess.run(up, check=True, timeout=600)
    place = Place("aws", state)
    try:
        yield Aws(place, daemon.environment(place))
    finally:
        subprocess.run([*door, "down", "aws", "--state", str(state)], check=True, timeout=600)


def variant(name: str, model: str, weight: float = 1.0, **more: Any) -> dict[str, Any]:
    given = {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": weight,
    }
    return {**given, **more}


@dataclass(frozen=True)
class Hosting:
    """Endpoints made and taken down by tests."""

    sagemaker: Any
    runtime: Any
    made: list[str] = field(default_factory=list)

    def config(self, *variants: dict[str, Any], **more: Any) -> str:
        name = f"config-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=list(variants), **more
        )
        return name

    def create(self, *variants: dict[str, Any], **more: Any) -> str:
        name = f"endpoint-{uuid.uuid4().hex[:8]}"
        config = self.config(*variants, **more)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.made.append(name)
        return name

    def delete_all(self) -> None:
        """Delete what was made and still stands, without waiting for the end."""
        for name in self.made:
            with suppress(ClientError):
                self.settle(name)
                self.sagemaker.delete_endpoint(EndpointName=name)

    def serve(self, *variants: dict[str, Any], **more: Any) -> str:
        name = self.create(*variants, **more)
        settled = self.settle(name)
        assert settled["EndpointStatus"] == "InService", settled.get("FailureReason")
        return name

    def describe(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return described

    def settle(self, name: str) -> dict[str, Any]:
        """Wait until nothing changes any more."""
        moving = ("Creating", "Updating", "RollingBack", "Deleting")
        seen: dict[str, Any] = eventually(
            lambda: self.describe(name), lambda seen: seen["EndpointStatus"] not in moving
        )
        return seen

    def score(self, name: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.runtime.invoke_endpoint(
            EndpointName=name, Body=ROW, ContentType="text/csv", **more
        )
        answer["Body"] = answer["Body"].read()
        return answer

    def answered_by(self, name: str, times: int) -> list[str]:
        return [self.score(name)["InvokedProductionVariant"] for _ in range(times)]


def control(aws: Aws, method: str, route: str, value: object = None) -> Any:
    """Use the emulator's own controls."""
    body = json.dumps(value).encode() if value is not None else None
    url = urljoin(f"{aws.url}/_emulator/", route)
    # As text: werkzeug would take a body without a type for a form.
    headers = {
        "Authorization": f"Bearer {aws.environment['TRIDOCK_AWS_TOKEN']}",
        "Content-Type": "text/plain",
    }
    answer = httpx.request(method, url, content=body, headers=headers, timeout=600, trust_env=False)
    return answer.raise_for_status().json()


def sign(aws: Aws, request: AWSRequest, service: str = "sagemaker") -> AWSRequest:
    """Sign a request with the account's own key."""
    request.headers["Host"] = aws.url.partition("//")[2]
    key = aws.environment["AWS_ACCESS_KEY_ID"], aws.environment["AWS_SECRET_ACCESS_KEY"]
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(*key), service, "us-east-1").add_auth(request)
    return request


def eventually(
    look: Callable[[], Any], done: Callable[[Any], object] = bool, *, timeout: float = 600
) -> Any:
    """Look until what is seen is `done`, and return it; fail after `timeout` real seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        seen = look()
        if done(seen):
            return seen
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout:g} s; last seen: {seen!r}")
