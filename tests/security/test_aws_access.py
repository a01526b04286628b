"""Strangers at the emulated AWS: each attack is refused, in AWS's own words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from moto.sts.models import sts_backends

from tests.emulators.aws.hosting import Aws, control, emulated
from tests.security.aws import key, sent, signed
from tridock.emulators import daemon
from tridock.emulators.aws.iam.authentication import Authentication
from tridock.emulators.aws.protocol.access_keys import Key, own_key
from tridock.emulators.aws.protocol.calls import Call
from tridock.emulators.aws.protocol.errors import AwsError
from tridock.emulators.place import Place


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulated(tmp_path_factory.mktemp("access")) as running:
        running.client("s3").create_bucket(Bucket="models")
        running.client("s3").put_object(Bucket="models", Key="a b/ü+=&.txt", Body=b"kept")
        yield running


def _without_key(secret: str) -> Credentials:
    return Credentials("AKIAIOSFODNN7EXAMPLE", secret)


STS = b"Action=GetCallerIdentity&Version=2011-06-15"
PLACES = {"sagemaker": ("/", b"{}"), "s3": ("/models/new", b"data"), "sts": ("/", STS)}


@pytest.mark.parametrize("service", PLACES)
def test_a_right_signature_is_accepted(aws: Aws, service: str) -> None:
    path, body = PLACES[service]
    assert sent(signed(aws, key(aws), service, path=path, body=body))[0] == 200


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [
        ("sagemaker", 400, "InvalidSignatureException"),
        ("s3", 403, "SignatureDoesNotMatch"),
        ("sts", 403, "SignatureDoesNotMatch"),
    ],
)
def test_a_forged_signature_is_refused(aws: Aws, service: str, status: int, code: str) -> None:
    path, body = PLACES[service]
    forged = Credentials(aws.environment["AWS_ACCESS_KEY_ID"], "testing")
    answer = sent(signed(aws, forged, service, path=path, body=body))
    assert answer[0] == status
    assert code in answer[1]
    assert "The request signature we calculated does not match" in answer[1]


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [
        ("sagemaker", 400, "UnrecognizedClientException"),
        ("s3", 403, "InvalidAccessKeyId"),
        ("sts", 403, "InvalidClientTokenId"),
    ],
)
def test_a_foreign_key_is_refused(
    aws: Aws, tmp_path: Path, service: str, status: int, code: str
) -> None:
    path, body = PLACES[service]
    other = own_key(tmp_path)  # another state folder's
    for foreign in (_without_key("testing"), Credentials(other.id, other.secret)):
        answer = sent(signed(aws, foreign, service, path=path, body=body))
        assert answer[0] == status
        assert code in answer[1]


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [
        ("sagemaker", 400, "MissingAuthenticationTokenException"),
        ("s3", 403, "AccessDenied"),
    ],
)
def test_an_anonymous_request_is_refused(aws: Aws, service: str, status: int, code: str) -> None:
    path, body = PLACES[service]
    request = signed(aws, key(aws), service, path=path, body=body)
    if service == "sagemaker":
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={key(aws).access_key}/20260101/us-east-1/sagemaker/"
            "aws4_request"
        )
        assert sent(request)[1].count("IncompleteSignatureException") == 1
        request.headers["Authorization"] = request.headers["Authorization"].replace(
            "HMAC-SHA256", "ECDSA-P256-SHA256"
        )
        assert "IncompleteSignatureException" in sent(request)[1]
        with pytest.raises(ClientError) as caught:
            aws.client("sts", signature_version=_unsigned()).get_caller_identity()
        assert caught.value.response["Error"]["Code"] in ("MissingAuthenticationToken", code)
        return
    del request.headers["Authorization"]
    answer = sent(request)
    assert answer[0] == status
    assert code in answer[1]


def _unsigned() -> Any:
    from botocore import UNSIGNED

    return UNSIGNED


def test_an_identity_that_cannot_be_verified_gets_no_session(aws: Aws) -> None:
    query = "Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::123456789012:role/x"
    body = f"{query}&RoleSessionName=x&WebIdentityToken=y&Version=2011-06-15".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = sent(httpx.Request("POST", aws.url, headers=headers, content=body))
    assert (answer[0], "InvalidIdentityToken" in answer[1]) == (400, True)


def test_a_changed_header_body_path_or_query_is_refused(aws: Aws) -> None:
    header = signed(aws, key(aws))
    header.headers["X-Amz-Target"] = "SageMaker.DeleteModel"
    body = signed(aws, key(aws))
    body = httpx.Request("POST", body.url, headers=body.headers, content=b"[]")
    path = signed(aws, key(aws), "s3", path="/models/new", body=b"data")
    path = httpx.Request("PUT", f"{aws.url}/models/else", headers=path.headers, content=b"data")
    query = signed(aws, key(aws), "s3", path="/models/new", body=b"data")
    query = httpx.Request("PUT", f"{query.url}?acl", headers=query.headers, content=b"data")
    for changed in (header, body, path, query):
        answer = sent(changed)
        assert answer[0] in (400, 403)
        assert "InvalidSignature" in answer[1] or "SignatureDoesNotMatch" in answer[1]
    data = signed(aws, key(aws), "s3", path="/models/new", body=b"data")
    data = httpx.Request("PUT", data.url, headers=data.headers, content=b"tada")
    assert "XAmzContentSHA256Mismatch" in sent(data)[1]
    added = signed(aws, key(aws), "s3", path="/models/new", body=b"data")
    added.headers["x-amz-acl"] = "public-read"
    assert "headers present in the request which were not signed" in sent(added)[1]


@pytest.mark.parametrize(
    ("service", "code"),
    [("sagemaker", "InvalidSignatureException"), ("s3", "RequestTimeTooSkewed")],
)
@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_replayed_or_future_request_is_refused(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, service: str, code: str, minutes: int
) -> None:
    other = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: other)
    path, body = PLACES[service]
    status, said = sent(signed(aws, key(aws), service, path=path, body=body))
    assert status in (400, 403)
    assert code in said
    if service == "sagemaker":
        assert "Signature expired" in said or "Signature not yet current" in said


def test_keys_that_iam_and_sts_issued_are_accepted_until_they_are_taken_back(aws: Aws) -> None:
    iam, sts = aws.client("iam"), aws.client("sts")
    iam.create_user(UserName="ada")
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    ada = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    assert sent(signed(aws, ada))[0] == 200
    iam.update_access_key(UserName="ada", AccessKeyId=ada.access_key, Status="Inactive")
    assert "UnrecognizedClientException" in sent(signed(aws, ada))[1]
    role = "arn:aws:iam::123456789012:role/AmazonSageMaker-ExecutionRole"
    for given in (
        sts.assume_role(RoleArn=role, RoleSessionName="ci"),
        sts.get_session_token(),
        sts.get_federation_token(Name="ci"),
    ):
        issued = given["Credentials"]
        session = issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]
        assert sent(signed(aws, Credentials(*session)))[0] == 200
        without = Credentials(*session[:2])
        assert "UnrecognizedClientException" in sent(signed(aws, without))[1]
        forged = Credentials(*session[:2], "another token")
        assert "UnrecognizedClientException" in sent(signed(aws, forged))[1]
        path, body = PLACES["s3"]
        assert "InvalidToken" in sent(signed(aws, forged, "s3", path=path, body=body))[1]


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("sagemaker", "ExpiredTokenException", 400),
        ("sagemaker-runtime", "ExpiredTokenException", 403),
        ("s3", "ExpiredToken", 400),
        ("sts", "ExpiredToken", 403),
    ],
)
def test_a_session_that_ended_is_refused(service: str, code: str, status: int) -> None:
    sts = sts_backends["123456789012"]["aws"]
    role = "arn:aws:iam::123456789012:role/ci"
    session = sts.assume_role("us-east-1", "ci", role, "", 900, "")
    credentials = Credentials(
        session.access_key_id, session.secret_access_key, session.session_token
    )
    signing = "sagemaker" if service == "sagemaker-runtime" else service
    request = AWSRequest("GET", "http://127.0.0.1/", {"Host": "127.0.0.1"})
    (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, signing, "us-east-1").add_auth(
        request
    )
    environ = _environ(request)
    rules = Authentication(Key("AKIAOWN", "secret"))
    rules.check(Call(service, "", "123456789012", "us-east-1"), environ)
    sts.assumed_roles[-1].expiration -= timedelta(seconds=901)
    with pytest.raises(AwsError) as caught:
        rules.check(Call(service, "", "123456789012", "us-east-1"), _environ(request))
    assert (caught.value.code, caught.value.status) == (code, status)


def _environ(request: AWSRequest) -> dict[str, Any]:
    import io
    from http.client import HTTPMessage

    message = HTTPMessage()
    for name, value in request.headers.items():
        message[name] = value
    headers = {f"HTTP_{n.upper().replace('-', '_')}": v for n, v in request.headers.items()}
    url = urllib.parse.urlsplit(request.url)
    return headers | {
        "tridock.headers": message,
        "REQUEST_METHOD": request.method,
        "PATH_INFO": url.path,
        "QUERY_STRING": url.query,
        "wsgi.input": io.BytesIO(),
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://page.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "rebound.example"},
        {"Host": "sagemaker.us-east-1.amazonaws.com.cn"},
    ],
)
def test_a_web_page_is_refused_also_with_a_right_signature(
    aws: Aws, headers: Mapping[str, str]
) -> None:
    request = signed(aws, key(aws))
    request.headers.update(headers)
    status, said = sent(request)
    assert status == 403
    assert "AccessDeniedException" in said


def test_a_preflight_gets_no_permission(aws: Aws) -> None:
    headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "PUT"}
    for path in ("/", "/models/new", "/_emulator/reset", "/moto-api/reset"):
        assert sent(httpx.Request("OPTIONS", aws.url + path, headers=headers))[0] == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_emulator/reset"),
        ("GET", "/_emulator/servers"),
        ("POST", "/moto-api/reset"),
        ("GET", "/moto-api/data.json"),
        ("POST", "/moto-api/reset-auth"),
        ("GET", "/moto-api"),
    ],
)
def test_the_controls_need_the_secret(aws: Aws, method: str, path: str) -> None:
    for given in ({}, {"Authorization": "Bearer foreign"}, dict(signed(aws, key(aws)).headers)):
        given.pop("host", None)
        given.pop("content-length", None)
        status, said = sent(httpx.Request(method, aws.url + path, headers=given))
        assert status == 401, said
    assert aws.client("s3").list_buckets()["Buckets"]
    assert control(aws, "GET", "servers") == {"servers": []}


def test_any_credentials_are_accepted_where_it_was_asked_for_but_no_web_page(
    tmp_path: Path,
) -> None:
    place = Place("aws", tmp_path, any_credentials=True)
    running = daemon.up(place)
    try:
        aws = Aws(place, running.environment)
        assert "--any-credentials" in place.log.read_text()
        request = signed(aws, _without_key("testing"))
        assert sent(request)[0] == 200
        request.headers["Origin"] = "https://page.example"
        assert sent(request)[0] == 403
        forged = Credentials(key(aws).access_key, "testing")
        assert "InvalidSignatureException" in sent(signed(aws, forged))[1]
        assert sent(httpx.Request("GET", f"{aws.url}/_emulator/servers"))[0] == 401
    finally:
        daemon.down(place)


CLIENT = """
import json, boto3
from botocore.config import Config
found = {}
quick = Config(retries={"total_max_attempts": 1}, connect_timeout=5)
sagemaker = boto3.client("sagemaker", config=quick, region_name="eu-west-1",
                         endpoint_url="https://api.sagemaker.eu-west-1.amazonaws.com")
found["models"] = sagemaker.list_models()["Models"]
sagemaker.create_model_package_group(ModelPackageGroupName="here")
there = boto3.client("sagemaker", config=quick, region_name="eu-west-1")
found["regional"] = len(there.list_model_package_groups()["ModelPackageGroupSummaryList"])
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "virtual"}),
                  endpoint_url="https://s3.us-east-1.amazonaws.com")
s3.create_bucket(Bucket="virtual-hosted")
s3.put_object(Bucket="virtual-hosted", Key="a/b", Body=b"kept" * 100000)
found["object"] = len(s3.get_object(Bucket="virtual-hosted", Key="a/b")["Body"].read())
url = s3.generate_presigned_url("get_object", Params={"Bucket": "virtual-hosted", "Key": "a/b"})
found["url"] = url.partition("?")[0]
import requests
found["presigned"] = len(requests.get(url).content)
sts = boto3.client("sts", endpoint_url="https://sts.amazonaws.com")
found["account"] = sts.get_caller_identity()["Account"]
runtime = boto3.client("sagemaker-runtime", config=quick,
                       endpoint_url="https://runtime.sagemaker.us-east-1.amazonaws.com")
try:
    runtime.invoke_endpoint(EndpointName="none", Body=b"1")
except Exception as error:
    found["runtime"] = str(error)
for name, url in {"foreign": "https://example.org/", "china": "https://s3.cn-north-1.amazonaws.com.cn/",
                  "plain": "http://example.org/", "metadata": "http://169.254.169.254/latest/meta-data/"}.items():
    try:
        found[name] = requests.get(url, timeout=5).status_code
    except requests.exceptions.ProxyError as error:
        found[name] = "403" in str(error) and 403
print(json.dumps(found))
"""


def test_explicit_addresses_stay_on_this_machine_and_unknown_hosts_are_refused(aws: Aws) -> None:
    preset = {
        "AWS_ENDPOINT_URL_SAGEMAKER": "https://elsewhere.example",
        "AWS_PROFILE": "production",
        "AWS_ROLE_ARN": "arn:aws:iam::999999999999:role/theirs",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/elsewhere/token",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "NO_PROXY": ".amazonaws.com,169.254.169.254,example.org",
    }
    door = [
        sys.executable,
        "-m",
        "tridock.emulators",
        "run",
        "aws",
        "--state",
        str(aws.place.state),
    ]
    done = subprocess.run(
        [*door, "--", sys.executable, "-c", CLIENT],
        env={**os.environ, **preset},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {
        "models": [],
        "regional": 1,
        "object": 400_000,
        "url": "https://virtual-hosted.s3.us-east-1.amazonaws.com/a/b",
        "presigned": 400_000,
        "account": "123456789012",
        "runtime": found["runtime"],
        "foreign": 403,
        "china": 403,
        "plain": 403,
        "metadata": 403,
    }
    assert "Endpoint none of account 123456789012 not found" in found["runtime"]
