"""Signatures beside the header's: presigned addresses, forms and streams of signed chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from tests.emulators.aws.hosting import Aws, emulated
from tests.security.aws import key, sent


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulated(tmp_path_factory.mktemp("uploads")) as running:
        running.client("s3").create_bucket(Bucket="models")
        running.client("s3").put_object(Bucket="models", Key="a b/ü+=&.txt", Body=b"kept")
        yield running


def _addressed(aws: Aws, version: str) -> Any:
    return aws.client("s3", signature_version=version)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_addresses_work_and_changed_ones_do_not(aws: Aws, version: str) -> None:
    s3, name = _addressed(aws, version), "a b/ü+=&.txt"
    place = {"Bucket": "models", "Key": name}
    read = s3.generate_presigned_url("get_object", Params=place, ExpiresIn=60)
    assert sent(httpx.Request("GET", read)) == (200, "kept")
    write = s3.generate_presigned_url("put_object", Params={"Bucket": "models", "Key": "up"})
    assert sent(httpx.Request("PUT", write, content=b"x"))[0] == 200
    refused = [
        httpx.Request("DELETE", read),
        httpx.Request("GET", read.replace("a%20b", "other")),
        httpx.Request("GET", read.replace("Expires=", "Expires=1")),
        httpx.Request("GET", read[:-3] + "abc" if version == "s3v4" else read + "0"),
    ]
    for request in refused:
        status, said = sent(request)
        assert status in (400, 403), said
    ended = s3.generate_presigned_url("get_object", Params=place, ExpiresIn=-60)
    assert "Request has expired" in sent(httpx.Request("GET", ended))[1]


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_form_uploads_what_its_policy_allows(aws: Aws, version: str) -> None:
    s3 = _addressed(aws, version)
    post = s3.generate_presigned_post(
        "models", "forms/${filename}", Conditions=[["content-length-range", 1, 10]]
    )

    def uploaded(fields: Mapping[str, str], data: bytes) -> tuple[int, str]:
        return sent(
            httpx.Request("POST", post["url"], data=dict(fields), files={"file": ("f.txt", data)})
        )

    assert uploaded(post["fields"], b"small")[0] == 204
    assert s3.get_object(Bucket="models", Key="forms/f.txt")["Body"].read() == b"small"
    assert "Policy Condition failed" in uploaded(post["fields"], b"much too large")[1]
    assert "Policy Condition failed" in uploaded(post["fields"] | {"key": "other"}, b"small")[1]
    assert "Extra input fields" in uploaded(post["fields"] | {"acl": "public-read"}, b"small")[1]
    other = {**post["fields"], "policy": post["fields"]["policy"][:-8] + "AAAAAAA="}
    assert "SignatureDoesNotMatch" in uploaded(other, b"small")[1]


def _chunked(aws: Aws, chunks: list[bytes], *, forge: bool = False) -> httpx.Request:
    """Sign a body chunk by chunk, as the SDKs for Java and C++ do."""
    credentials, path = key(aws), "/models/chunked"
    streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    headers = {
        "Host": aws.url.partition("//")[2],
        "Content-Encoding": "aws-chunked",
        "X-Amz-Content-SHA256": streaming,
        "X-Amz-Decoded-Content-Length": str(sum(map(len, chunks))),
    }
    signer = SigV4Auth(credentials, "s3", "us-east-1")
    request = AWSRequest("PUT", aws.url + path, headers)
    signer.add_auth(request)
    previous = request.headers["Authorization"].rpartition("=")[2]
    body = b""
    stamp = request.context["timestamp"]
    empty = hashlib.sha256(b"").hexdigest()
    for chunk in [*chunks, b""]:
        text = (
            f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{signer.credential_scope(request)}\n"
            f"{previous}\n{empty}\n{hashlib.sha256(chunk).hexdigest()}"
        )
        previous = signer.signature(text, request)
        sent = chunk[::-1] if forge else chunk
        body += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + sent + b"\r\n"
    return httpx.Request("PUT", aws.url + path, headers=dict(request.headers), content=body)


def test_each_chunk_of_a_signed_stream_is_verified(aws: Aws) -> None:
    chunks = [bytes(range(256)) * 300, b"the last"]
    assert sent(_chunked(aws, chunks))[0] == 200
    kept = aws.client("s3").get_object(Bucket="models", Key="chunked")["Body"].read()
    assert kept == b"".join(chunks)
    status, said = sent(_chunked(aws, chunks, forge=True))
    assert (status, "SignatureDoesNotMatch" in said) == (403, True)
