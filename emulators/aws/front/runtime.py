"""The data plane's operations. Nothing here passes through moto or Flask."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tridock.emulators.aws.dataplane import asynchronous, invoke
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.requests import read_request
from tridock.emulators.aws.dataplane.stream import stream
from tridock.emulators.aws.iam.access import authorize
from tridock.emulators.aws.protocol.calls import Call, Environ
from tridock.emulators.aws.protocol.errors import Answer

StartResponse = Callable[..., Callable[[bytes], None]]

_WHOLE: dict[str, Callable[..., Answer]] = {
    "InvokeEndpoint": invoke.invoke,
    "InvokeEndpointAsync": asynchronous.accept,
}


def answer(cloud: Cloud, call: Call, environ: Environ, start: StartResponse) -> Iterable[bytes]:
    """Answer one operation of ``sagemaker-runtime``.

    Raises
    ------
    AwsError
        For everything that the client should read as an error.
    """
    request = read_request(call, environ)
    authorize(cloud, call, environ, request.body)
    identity = ("x-amzn-RequestId", call.id)
    if call.operation == "InvokeEndpointWithResponseStream":
        headers, events = stream(cloud, request)
        start("200 OK", [*headers, identity])
        return events
    done = _WHOLE[call.operation](cloud, request)
    length = ("Content-Length", str(len(done.body)))
    start(f"{done.status} ", [*done.headers, identity, length])
    return [done.body]
