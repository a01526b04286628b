"""Requests to the data plane, read within the service's limits, and the replies of containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import urllib3

from tridock.emulators.aws.dataplane.live import Key
from tridock.emulators.aws.protocol.calls import Call, Environ, headers_of
from tridock.emulators.aws.protocol.errors import AwsError
from tridock.emulators.aws.protocol.validation import describe_headers

#: Bytes of a body (botocore's model: BodyBlob, and of asynchronous calls AsyncBodyBlob; serverless:
#: Developer Guide, "Invoke a serverless endpoint").
LIMIT = 6_291_456
ASYNC_LIMIT = 128_000
SERVERLESS_LIMIT = 4_194_304

#: Headers a container sees; all others are stripped (Developer Guide, "Use your own inference
#: code with hosting services").
FORWARDED = (
    "Content-Type",
    "Accept",
    "X-Amzn-SageMaker-Custom-Attributes",
    "X-Amzn-SageMaker-Target-Model",
    "X-Amzn-SageMaker-Target-Container-Hostname",
    "X-Amzn-SageMaker-Inference-Id",
    "X-Amzn-SageMaker-Enable-Explanations",
    "X-Amzn-SageMaker-Session-Id",
    "X-Amzn-SageMaker-Prefix-Aware-Id",
)

#: Headers of the other two operations that a container sees under their plain names.
_RENAMED = {
    "X-Amzn-SageMaker-Content-Type": "Content-Type",
    "X-Amzn-SageMaker-Accept": "Accept",
}


class InvocationError(AwsError):
    """The runtime refuses a request: ``ValidationError``, 400."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationError", message, status=400)


class TooLongError(AwsError):
    """The body is over the limit; the runtime has no error code for it but the status 413."""

    def __init__(self, limit: int) -> None:
        super().__init__("413", f"HTTP content length exceeded {limit} bytes.", status=413)


@dataclass(frozen=True)
class Request:
    """One invocation.

    Attributes
    ----------
    call : Call
        Operation, endpoint, account.
    headers : Mapping[str, str]
        What the container sees.
    body : bytes
        Payload.
    variant : str or None
        ``TargetVariant``.
    options : Mapping[str, str]
        Headers for the service itself, by lower-case name.
    """

    call: Call
    headers: Mapping[str, str]
    body: bytes
    variant: str | None
    options: Mapping[str, str]

    @property
    def key(self) -> Key:
        """The endpoint it goes to."""
        return Key(self.call.account, self.call.region, self.call.endpoint)


@dataclass(frozen=True)
class Reply:
    """The answer of a container.

    Attributes
    ----------
    status : int
        HTTP status; 0 if it did not answer.
    headers : urllib3.HTTPHeaderDict
        As sent.
    body : bytes
        The payload, or the reason why there is none.
    microseconds : float
        Duration of the call.
    """

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes
    microseconds: float

    @property
    def is_success(self) -> bool:
        """True if the container answered with 2xx."""
        return 200 <= self.status < 300


def read_request(call: Call, environ: Environ) -> Request:
    """Read a request of the data plane.

    Raises
    ------
    TooLongError
        If the body is over the operation's limit; what is left of it is not read.
    InvocationError, SerializationError
        If a header is refused.
    """
    options = headers_of(environ)
    if options.get("x-amzn-sagemaker-inference-component"):
        raise InvocationError("Inference components are not emulated.")
    wrong = describe_headers(call.service, call.operation, options)
    if wrong:
        raise InvocationError(wrong)
    limit = ASYNC_LIMIT if call.operation == "InvokeEndpointAsync" else LIMIT
    if int(environ.get("CONTENT_LENGTH") or 0) > limit:
        raise TooLongError(limit)
    body = environ["wsgi.input"].read(limit + 1)
    if len(body) > limit:
        raise TooLongError(limit)
    return Request(
        call,
        _forwarded(call, options),
        body,
        options.get("x-amzn-sagemaker-target-variant"),
        options,
    )


def _forwarded(call: Call, options: Mapping[str, str]) -> dict[str, str]:
    headers = {name: options.get(name.lower(), "") for name in FORWARDED}
    if call.operation != "InvokeEndpoint":
        plain = call.operation == "InvokeEndpointWithResponseStream"
        headers["Accept"] = ""
        headers["Content-Type"] = headers["Content-Type"] if plain else ""
        headers |= {
            to: options[name.lower()] for name, to in _RENAMED.items() if options.get(name.lower())
        }
    return {name: value for name, value in headers.items() if value}
