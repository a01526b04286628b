"""Requests to the emulated AWS that a test signs, changes and sends."""

from __future__ import annotations

import httpx
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.emulators.aws.hosting import Aws

MODELS = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}


def key(aws: Aws) -> Credentials:
    found = aws.environment
    return Credentials(found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"])


def signed(
    aws: Aws,
    credentials: Credentials,
    service: str = "sagemaker",
    *,
    path: str = "/",
    body: bytes = b"{}",
) -> httpx.Request:
    """Sign a request as an SDK does; the tests change it afterwards."""
    headers = {**(MODELS if service == "sagemaker" else {}), "Host": aws.url.partition("//")[2]}
    if service == "sts":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    method = "PUT" if service == "s3" else "POST"
    request = AWSRequest(method, aws.url + path, headers, body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(credentials, service, "us-east-1").add_auth(request)
    return httpx.Request(method, aws.url + path, headers=dict(request.headers), content=body)


def sent(request: httpx.Request) -> tuple[int, str]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        answer = client.send(request)
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    return answer.status_code, answer.text
