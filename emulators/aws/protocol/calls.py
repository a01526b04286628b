"""Operations of AWS: identify the one of an HTTP request, and replace those of moto."""

from __future__ import annotations

import functools
import io
import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import botocore.session
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.iam import models
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from werkzeug.exceptions import NotFound

Environ = dict[str, Any]

#: The account of the clients' credentials: moto's.
ACCOUNT = "123456789012"

#: ``Credential=<key>/<date>/<region>/<service>/aws4_request``
#: (AWS General Reference, "Authenticating Requests: Signature Version 4").
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/")

#: Services that name themselves in the header X-Amz-Target, by its first part.
_TARGETS = {
    "SageMaker": "sagemaker",
    "Logs_20140328": "logs",
    "GraniteServiceVersion20100801": "cloudwatch",
    "AnyScaleFrontendService": "application-autoscaling",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "TrentService": "kms",
    "AmazonSQS": "sqs",
    "AmazonSSM": "ssm",
}
_PRESIGNED = re.compile(r"(?:^|&)X-Amz-Credential=([^&]+)")

#: Paths of the data plane (botocore's model of sagemaker-runtime).
_INVOCATION = re.compile(
    r"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)"
)
#: The operations of ``sagemaker-runtime``, by the last part of their paths.
RUNTIME = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}


@dataclass(frozen=True)
class Call:
    """One request as AWS would name it.

    Attributes
    ----------
    service : str
        Name of boto3's client, e.g. ``"sagemaker-runtime"``.
    operation : str
        e.g. ``"InvokeEndpoint"``; empty if the service has none at this path.
    account, region : str
        Whose call, and where.
    endpoint : str
        Name of the endpoint, for calls of the data plane; else empty.
    content_type : str
        As sent.
    hosted : bool
        Whether moto knows the service at all.
    key : str
        Id of the access key that signed it.
    id : str
        Request id of the answer.
    """

    service: str
    operation: str
    account: str
    region: str
    endpoint: str = ""
    content_type: str = ""
    hosted: bool = True
    key: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


def identify(environ: Environ, dispatcher: DomainDispatcherApplication) -> Call:
    """Return the operation of a request.

    A form body is read and put back; other bodies stay untouched.
    """
    _route_presigned(environ)
    key, region, signed = _credential(environ)
    signed = signed or _unsigned_service(environ)
    content_type = environ.get("CONTENT_TYPE", "")
    account = os.environ.get("MOTO_ACCOUNT_ID") or models.get_account_id_from(key)
    match = _INVOCATION.fullmatch(environ["PATH_INFO"])
    if match and signed == "sagemaker":
        endpoint, kind = match.groups()
        name = RUNTIME[kind]
        return Call("sagemaker-runtime", name, account, region, endpoint, content_type, key=key)
    if content_type.startswith("application/x-www-form-urlencoded"):
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read())
    backend = _backend(environ, dispatcher)
    hosted = backend is not None or signed in ("", "s3")
    service = _names().get((backend or signed or "s3").replace("-", ""), "s3")
    operation = _operation(environ, service)
    return Call(
        service, operation, account, region, content_type=content_type, hosted=hosted, key=key
    )


def presumed(environ: Environ) -> Call:
    """Return the operation of a request from its headers alone; the body is not read."""
    _, region, signed = _credential(environ)
    signed = signed or _unsigned_service(environ)
    service = _names().get(signed.replace("-", ""), "s3")
    content_type = environ.get("CONTENT_TYPE", "")
    return Call(service, "", ACCOUNT, region, content_type=content_type)


def headers_of(environ: Environ) -> dict[str, str]:
    """Return a request's headers, names in lower case."""
    named = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    return named | {"content-type": environ.get("CONTENT_TYPE", "")}


def _route_presigned(environ: Environ) -> None:
    """Let moto see the service of a presigned address: it reads headers, and takes S3 otherwise."""
    match = _PRESIGNED.search(environ.get("QUERY_STRING", ""))
    if match and not environ.get("HTTP_AUTHORIZATION"):
        scope = unquote(match[1])
        if scope.split("/")[-2:-1] != ["s3"]:
            said = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=presigned"
            environ["HTTP_AUTHORIZATION"] = said


def _unsigned_service(environ: Environ) -> str:
    """Guess the service of a request without signature, to refuse it in that service's words."""
    if _INVOCATION.fullmatch(environ["PATH_INFO"]):
        return "sagemaker"
    target = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[0]
    host = environ.get("HTTP_HOST", "").partition(".")[0]
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    return _TARGETS.get(target) or ({"sts": "sts", "iam": "iam"}.get(host, "sts") if form else "")


def _credential(environ: Environ) -> tuple[str, str, str]:
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    key, region, service = match.groups() if match else ("", "us-east-1", "")
    return key, region, service


def _backend(environ: Environ, dispatcher: DomainDispatcherApplication) -> str | None:
    """Return moto's name of the service; None if it has none."""
    host = dispatcher.infer_service_region_host(environ, environ["PATH_INFO"])
    return dispatcher.get_backend_for_host(host) if host else None


def _operation(environ: Environ, service: str) -> str:
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return str(target.rsplit(".", 1)[-1])
    body = environ["wsgi.input"]
    try:
        operation, _ = get_service_router(service).match(Request(dict(environ)))
        return str(operation.name)
    except (NotFound, NotImplementedError):
        return ""
    finally:
        if isinstance(body, io.BytesIO):
            body.seek(0)


@functools.cache
def _names() -> dict[str, str]:
    """Map moto's names of services to boto3's."""
    names = botocore.session.get_session().get_available_services()
    return {name.replace("-", ""): name for name in names} | {"awslambda": "lambda"}


def replace_methods(of: type, functions: Mapping[str, Callable[..., Any]]) -> None:
    """Replace or add methods of one of moto's classes.

    moto finds its operations by looking for plain functions on the class, so these must be plain
    functions whose first parameter is the object.
    """
    for name, function in functions.items():
        setattr(of, name, function)
