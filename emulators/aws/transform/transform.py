"""Batch transform: CreateTransformJob and its companions, with jobs that run."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.sagemaker.models import FakeTransformJob, SageMakerModelBackend, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemaker.utils import arn_formatter

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.configs import deployable, not_found
from tridock.emulators.aws.iam import roles
from tridock.emulators.aws.protocol.errors import AwsError, ValidationError
from tridock.emulators.aws.protocol.listing import select
from tridock.emulators.aws.transform.transform_run import JobError, JobStoppedError, Run
from tridock.emulators.aws.transform.transform_settings import read_settings

log = logging.getLogger(__name__)

#: Members of the request; moto's job takes an argument for each.
_MEMBERS = {
    "TransformJobName": "transform_job_name",
    "ModelName": "model_name",
    "MaxConcurrentTransforms": "max_concurrent_transforms",
    "ModelClientConfig": "model_client_config",
    "MaxPayloadInMB": "max_payload_in_mb",
    "BatchStrategy": "batch_strategy",
    "Environment": "environment",
    "TransformInput": "transform_input",
    "TransformOutput": "transform_output",
    "DataCaptureConfig": "data_capture_config",
    "TransformResources": "transform_resources",
    "DataProcessing": "data_processing",
    "Tags": "tags",
    "ExperimentConfig": "experiment_config",
}
_SUMMARY = (
    "TransformJobName",
    "TransformJobArn",
    "CreationTime",
    "TransformEndTime",
    "LastModifiedTime",
    "TransformJobStatus",
    "FailureReason",
)
_RUNNING = ("InProgress", "Stopping")


def install(cloud: Cloud) -> None:
    """Replace moto's job that is Completed at once by one that runs."""
    jobs = Jobs(cloud)

    def create(self: SageMakerResponse) -> ActionResult:
        request = {name: self._get_param(name) for name in _MEMBERS}
        return ActionResult({"TransformJobArn": jobs.create(self.sagemaker_backend, request)})

    def stop(self: SageMakerResponse) -> ActionResult:
        jobs.stop(self.sagemaker_backend, self._get_param("TransformJobName"))
        return EmptyResult()

    SageMakerResponse.create_transform_job = create  # type: ignore[method-assign]
    SageMakerResponse.stop_transform_job = stop  # type: ignore[attr-defined]
    SageMakerResponse.describe_transform_job = _describe  # type: ignore[method-assign]
    SageMakerResponse.list_transform_jobs = _list  # type: ignore[method-assign]
    cloud.on_start.append(fail_interrupted)
    cloud.on_reset.append(jobs.clear)


@dataclass(frozen=True)
class Jobs:
    """The jobs that run now, by ARN.

    Attributes
    ----------
    cloud : Cloud
        Where they run.
    """

    cloud: Cloud
    _running: dict[str, Run] = field(default_factory=dict)

    def create(self, backend: SageMakerModelBackend, request: dict[str, Any]) -> str:
        """Start a job and return its ARN.

        Raises
        ------
        AwsError
            If its name is taken, its model does not exist or cannot be used, or its settings do
            not go together.
        """
        name = request["TransformJobName"]
        arn = arn_formatter("transform-job", name, backend.account_id, backend.region_name)
        read_settings(request)
        with self.cloud.lock:
            if name in backend.transform_jobs:
                raise AwsError(
                    "ResourceInUse",
                    "Job name must be unique within an AWS account and region, and a job with "
                    f"this name already exists ({arn})",
                )
            container = _container(backend, request["ModelName"])
            job = _job(backend, request)
            backend.transform_jobs[name] = job
        run = Run(self.cloud, backend.account_id, backend.region_name, name, request, container)
        self._running[arn] = run
        threading.Thread(target=self._go, args=(run, job), daemon=True, name=name).start()
        return arn

    def stop(self, backend: SageMakerModelBackend, name: str) -> None:
        """Begin to stop a job: it is Stopping, and Stopped later.

        Raises
        ------
        ValidationError
            If there is no such job, or it has ended.
        """
        job = backend.transform_jobs.get(name)
        if job is None:
            raise ValidationError(f"Could not find job to update with name {name}")
        if job.transform_job_status != "InProgress":
            raise ValidationError(
                "The request was rejected because the transform job is in status "
                f"{job.transform_job_status}"
            )
        _set_state(job, "Stopping")
        self._running[job.arn].stopping.set()

    def clear(self) -> None:
        """Stop every job: the account was reset."""
        for run in list(self._running.values()):
            run.stopping.set()

    def _go(self, run: Run, job: FakeTransformJob) -> None:
        job.transform_start_time = utcnow()
        try:
            run.go()
            _end(job, "Completed")
        except JobStoppedError:
            _end(job, "Stopped")
        except JobError as error:
            _end(job, "Failed", str(error))
        except Exception:  # the thread's edge: the job must end, and the log must say why
            log.exception("transform job %s", run.name)
            _end(job, "Failed", "InternalServerError: We encountered an internal error.")
        finally:
            self._running.pop(job.arn, None)


def fail_interrupted() -> None:
    """Fail the jobs that ran when the emulator ended: their threads are gone."""
    for regions in list(sagemaker_backends.values()):
        for backend in list(regions.values()):
            for job in backend.transform_jobs.values():
                if job.transform_job_status in _RUNNING:
                    reason = "InternalServerError: the emulator ended while the job ran."
                    _end(job, "Failed", reason)


def _container(backend: SageMakerModelBackend, name: str) -> dict[str, Any]:
    model = backend._models.get(name)
    if model is None:
        raise ValidationError(not_found(backend, "model", name))
    role = model.execution_role_arn
    if not roles.is_assumable(backend.account_id, backend.region_name, role):
        raise ValidationError(
            f"Could not assume role {role}. Please ensure that the role exists and allows "
            f"principal '{roles.SAGEMAKER}' to assume the role."
        )
    return deployable(backend, model.primary_container or model.containers[0])


def _job(backend: SageMakerModelBackend, request: dict[str, Any]) -> FakeTransformJob:
    arguments = {argument: request[name] for name, argument in _MEMBERS.items()}
    job = FakeTransformJob(backend.account_id, backend.region_name, **arguments)
    job.transform_job_status = "InProgress"
    for name in ("failure_reason", "labeling_job_arn", "auto_ml_job_arn", "transform_end_time"):
        setattr(job, name, None)
    job.__dict__["transform_start_time"] = None
    return job


def _set_state(job: FakeTransformJob, status: str) -> None:
    job.transform_job_status = status
    job.last_modified_time = utcnow()


def _end(job: FakeTransformJob, status: str, reason: str | None = None) -> None:
    job.__dict__["failure_reason"] = reason
    job.transform_end_time = utcnow()
    _set_state(job, status)
    log.info("transform job %s: %s %s", job.transform_job_name, status, reason or "")


def _describe(self: SageMakerResponse) -> ActionResult:
    name = self._get_param("TransformJobName")
    job = self.sagemaker_backend.transform_jobs.get(name)
    if job is None:
        raise ValidationError(f"Could not find requested job with name: {name}")
    return ActionResult(job.response_object)


def _list(self: SageMakerResponse) -> ActionResult:
    jobs = [job.response_object for job in list(self.sagemaker_backend.transform_jobs.values())]
    chosen = select(jobs, "TransformJobName", self._get_param, status="TransformJobStatus")
    start = _offset(self._get_param("NextToken"))
    end = start + int(self._get_param("MaxResults", 100))
    items = [{name: job[name] for name in _SUMMARY if name in job} for job in chosen[start:end]]
    token = str(end) if end < len(chosen) else None
    return ActionResult({"TransformJobSummaries": items, "NextToken": token})


def _offset(token: str | None) -> int:
    if token and not token.isdecimal():
        raise ValidationError(f'Invalid pagination token because "{token}".')
    return int(token or 0)
