"""Asynchronous invocations: accepted at once, answered in S3."""

from __future__ import annotations

import datetime as dt
import json
import logging
import uuid
from dataclasses import dataclass, replace
from typing import Any

from moto.sns.exceptions import SNSException
from moto.sns.models import sns_backends

from tridock.emulators.aws.dataplane import artifacts, invoke
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.live import Lease
from tridock.emulators.aws.dataplane.requests import InvocationError, Reply, Request
from tridock.emulators.aws.protocol.errors import Answer

#: Seconds a container has for an asynchronous answer if the request does not say (API reference,
#: InvokeEndpointAsync: InvocationTimeoutSeconds).
TIMEOUT = 900

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One accepted request.

    Attributes
    ----------
    request : Request
        As accepted.
    id : str
        Inference id.
    output, failure : str
        S3 addresses of the answer and of the reason why there is none.
    topics : Mapping
        ``NotificationConfig`` of the endpoint.
    """

    request: Request
    id: str
    output: str
    failure: str
    topics: Any

    @property
    def source(self) -> str:
        """S3 address of the input, empty if it came in the request."""
        return self.request.options.get("x-amzn-sagemaker-inputlocation", "")


def accept(cloud: Cloud, request: Request) -> Answer:
    """Answer InvokeEndpointAsync.

    Raises
    ------
    InvocationError
        If the endpoint does not serve or is not asynchronous, or the input is given twice or not.
    """
    with invoke.lease(cloud, request) as held:
        config = held.share.generation.config.asynchronous
    if not config:
        raise InvocationError(
            f"Endpoint {request.key.endpoint} of account {request.key.account} is not an "
            "asynchronous inference endpoint."
        )
    job = _job(request, config)
    if bool(job.source) == bool(request.body):
        raise InvocationError("Specify exactly one of InputLocation and Body.")
    cloud.background.submit(_run, cloud, job)
    headers = (
        ("Content-Type", "application/json"),
        ("X-Amzn-SageMaker-OutputLocation", job.output),
        ("X-Amzn-SageMaker-FailureLocation", job.failure),
    )
    return Answer(202, headers, json.dumps({"InferenceId": job.id}).encode())


def _job(request: Request, config: Any) -> Job:
    places, options = config["OutputConfig"], request.options
    folder = (places.get("S3OutputPath") or "").rstrip("/")
    if not folder:
        raise InvocationError("The endpoint has no S3OutputPath.")
    extension = options.get("x-amzn-sagemaker-s3outputpathextension", "").strip("/")
    within = f"{folder}/{extension}" if extension else folder
    name = options.get("x-amzn-sagemaker-filename") or f"{uuid.uuid4()}.out"
    failed = (places.get("S3FailurePath") or f"{folder}/async-endpoint-failures").rstrip("/")
    return Job(
        request,
        options.get("x-amzn-sagemaker-inference-id") or str(uuid.uuid4()),
        f"{within}/{name}",
        f"{failed}/{uuid.uuid4()}-error.out",
        places.get("NotificationConfig") or {},
    )


def _run(cloud: Cloud, job: Job) -> None:
    try:
        request = _with_input(job)
        with invoke.lease(cloud, request) as held:
            reply = _score(cloud, request, held)
        if not reply.is_success:
            said = reply.body.decode(errors="replace")
            raise invoke.ModelError(request.key, reply.status, said)
        content_type = reply.headers.get("Content-Type")
        artifacts.write(job.request.key.account, job.output, reply.body, content_type=content_type)
        _notify(job, "SuccessTopic", _message(job, "Completed"))
    except (InvocationError, invoke.ModelError, artifacts.MissingDataError) as error:
        _fail(job, error)


def _with_input(job: Job) -> Request:
    if not job.source:
        return job.request
    try:
        return replace(job.request, body=artifacts.read(job.request.key.account, job.source))
    except artifacts.MissingDataError:
        raise InvocationError(f"Failed to download the input from {job.source}.") from None


def _score(cloud: Cloud, request: Request, held: Lease) -> Reply:
    limit = request.options.get("x-amzn-sagemaker-invocationtimeoutseconds")
    return invoke.score(cloud, request, held, timeout=float(limit or TIMEOUT))


def _fail(job: Job, error: Exception) -> None:
    message = getattr(error, "message", None) or f"No bucket for {error}."
    try:
        artifacts.write(job.request.key.account, job.failure, str(message).encode())
    except artifacts.MissingDataError:
        log.warning("asynchronous inference %s: %s; no bucket for %s", job.id, message, job.failure)
    _notify(job, "ErrorTopic", _message(job, "Failed") | {"failureReason": str(message)})


def _message(job: Job, status: str) -> dict[str, Any]:
    """Return the notification (Developer Guide, "Check prediction results")."""
    now = dt.datetime.now(dt.UTC).isoformat()
    request = job.request
    return {
        "awsRegion": request.key.region,
        "eventTime": now,
        "receivedTime": now,
        "invocationStatus": status,
        "requestParameters": {
            "contentType": request.headers.get("Content-Type", ""),
            "endpointName": request.key.endpoint,
            "inputLocation": job.source,
        },
        "responseParameters": {"outputLocation": job.output},
        "inferenceId": job.id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def _notify(job: Job, topic: str, message: dict[str, Any]) -> None:
    arn = job.topics.get(topic)
    if not arn:
        return
    try:
        sns_backends[job.request.key.account][job.request.key.region].publish(
            json.dumps(message), arn=arn
        )
    except SNSException as error:
        log.warning("asynchronous inference %s: %s: %s", job.id, arn, error)
