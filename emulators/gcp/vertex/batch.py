"""JobService: batch predictions from bucket to bucket, by a real model server."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.logs import Source
from tridock.emulators.gcp.core.operations import EMPTY
from tridock.emulators.gcp.core.serving import Plan
from tridock.emulators.gcp.protocol import limits, listing
from tridock.emulators.gcp.protocol.errors import (
    FailedPreconditionError,
    GcpError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
    UnimplementedError,
)
from tridock.emulators.gcp.protocol.names import Record, canonical, location_of, new_id, now
from tridock.emulators.gcp.storage.errors import StorageError
from tridock.emulators.gcp.vertex import instances, tenant
from tridock.emulators.gcp.vertex.containers import (
    DEPLOYMENT_SECONDS,
    LEAST_REAL_SECONDS,
    container,
)
from tridock.emulators.gcp.vertex.instances import Instance, Transform
from tridock.emulators.gcp.vertex.models import DELETING
from tridock.emulators.gcp.vertex.models import find as find_model

log = logging.getLogger(__name__)

PENDING_SECONDS = 60.0
REQUEST_SECONDS = 600.0
BATCH_SIZE = 64
_ENDED = {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"}


@dataclass
class Output:
    """Output of one job so far.

    Attributes
    ----------
    results, errors : list of dict
        Lines of the two kinds of files.
    """

    results: list[Record] = field(default_factory=list)
    errors: list[Record] = field(default_factory=list)

    def fail(self, rows: list[Instance], message: str) -> None:
        """Note that `rows` have no predictions."""
        self.errors += [{**row.label, "error": {"code": 3, "message": message}} for row in rows]


def create(cloud: Cloud, request: Record) -> Record:
    """``CreateBatchPredictionJob``: the job itself is the answer; it is polled by its state."""
    job: Record = dict(request["batchPredictionJob"])
    _check(job)
    model = find_model(cloud, job.get("model", ""))
    job |= {
        "name": f"{canonical(request['parent'])}/batchPredictionJobs/{new_id()}",
        "model": model["name"],
        "modelVersionId": model["versionId"],
        "state": "JOB_STATE_PENDING",
        "createTime": now(),
        "updateTime": now(),
    }
    cloud.jobs[job["name"]] = job
    cloud.state.later(partial(_run, cloud, job["name"]))
    return job


def get(cloud: Cloud, request: Record) -> Record:
    """``GetBatchPredictionJob``."""
    job = cloud.jobs.get(canonical(request["name"]))
    if job is None:
        raise NotFoundError(f"BatchPredictionJob {canonical(request['name'])} is not found.")
    return job


def list_(cloud: Cloud, request: Record) -> Record:
    """``ListBatchPredictionJobs``: newest first."""
    prefix = canonical(request["parent"]) + "/"
    jobs = [job for name, job in cloud.jobs.items() if name.startswith(prefix)]
    return dict(listing.answer("batchPredictionJobs", reversed(jobs), request))


def cancel(cloud: Cloud, request: Record) -> Record:
    """``CancelBatchPredictionJob``: it ends between two requests to the model."""
    job = get(cloud, request)
    if job["state"] not in _ENDED:
        job["state"] = "JOB_STATE_CANCELLED"
        job["endTime"] = job["updateTime"] = now()
    return {}


def delete(cloud: Cloud, request: Record) -> Record:
    """``DeleteBatchPredictionJob``: once it has ended."""
    job = get(cloud, request)
    if job["state"] not in _ENDED:
        raise FailedPreconditionError(f"{job['name']} has not ended: cancel it first.")
    del cloud.jobs[job["name"]]
    return cloud.operations.finished(location_of(job["name"]), DELETING, EMPTY)


def _check(job: Record) -> None:
    limits.check_labels(job, "batch_prediction_job")
    source, target = job["inputConfig"], job["outputConfig"]
    if "gcsSource" not in source or "gcsDestination" not in target:
        raise UnimplementedError("Batch predictions from or to BigQuery are not emulated.")
    given = source["instancesFormat"]
    if given in ("tf-record", "tf-record-gzip", "file-list", "bigquery"):
        raise UnimplementedError(f"Batch predictions of instances_format {given} are not emulated.")
    for name, value, known in (
        ("input_config.instances_format", given, instances.FORMATS),
        ("output_config.predictions_format", target["predictionsFormat"], ("jsonl",)),
    ):
        if value not in known:
            raise InvalidArgumentError(f"{name} '{value}' is not supported: {', '.join(known)}.")
    Transform.of(job.get("instanceConfig", {}))
    if "dedicatedResources" not in job:
        raise InvalidArgumentError(
            "List of found errors:\t1.Field: batch_prediction_job.dedicated_resources; "
            "Message: Required for a Model with a custom container.\t"
        )


def resume(cloud: Cloud) -> None:
    """Begin the jobs again that had not ended when the emulator did."""
    with cloud.lock:
        for name, job in cloud.jobs.items():
            if job["state"] not in _ENDED:
                cloud.state.later(partial(_run, cloud, name))
        cloud.state.commit()


def _run(cloud: Cloud, name: str) -> None:
    try:
        _work(cloud, cloud.jobs[name], find_model(cloud, _model(cloud.jobs[name])))
    except (GcpError, StorageError) as error:
        number = error.number if isinstance(error, GcpError) else 9
        _fail(cloud, name, {"code": number, "message": str(error)})
    except Exception as error:
        log.exception("%s", name)
        _fail(cloud, name, {"code": 13, "message": f"the emulator failed: {error!r}"})


def _model(job: Record) -> str:
    return f"{job['model']}@{job['modelVersionId']}"


def _fail(cloud: Cloud, name: str, error: Record) -> None:
    with cloud.lock, suppress(UnavailableError):
        if job := cloud.jobs.get(name):  # it is gone where the emulator was reset
            job["error"] = error
            _end(job, "JOB_STATE_FAILED")
            cloud.state.commit()


def _work(cloud: Cloud, job: Record, model: Record) -> None:
    if not cloud.clock.sleep(PENDING_SECONDS) or job["name"] not in cloud.jobs:
        return
    rows = list(_rows(cloud, job))
    if job["state"] == "JOB_STATE_CANCELLED":
        return
    with cloud.lock:
        job.update(state="JOB_STATE_RUNNING", startTime=now(), updateTime=now())
        cloud.state.commit()
    key = f"batch-{job['name'].rpartition('/')[2]}"
    folder = cloud.artifacts(model)
    made = container({"id": key} | job, model, endpoint=job["name"], artifacts=folder)
    patience = max(cloud.clock.real(DEPLOYMENT_SECONDS), LEAST_REAL_SECONDS)
    route, announce = made.environment["AIP_PREDICT_ROUTE"], partial(_log, cloud, job["name"])
    try:
        made = tenant.lend(cloud, key, made)
        serving = cloud.servings.start(Plan(key, made, route, patience, announce))
        output = _predict(job, serving.url, rows)
    finally:
        cloud.servings.stop(key)
        tenant.take_back(cloud, key)
    if job["state"] != "JOB_STATE_CANCELLED":
        _write(cloud, job, output)


def _log(cloud: Cloud, job: str, file: Path) -> None:
    _, project, _, location, _, key = job.split("/")
    labels = {"resource_container": project, "location": location, "job_id": key}
    resource = {"type": "aiplatform.googleapis.com/BatchPredictionJob", "labels": labels}
    log = "aiplatform.googleapis.com/prediction_container"
    cloud.logs.add(Source(file, log, resource, {}, now()))


def _rows(cloud: Cloud, job: Record) -> Iterator[Instance]:
    transform = Transform.of(job.get("instanceConfig", {}))
    for uri in job["inputConfig"]["gcsSource"]["uris"]:
        bucket, _, pattern = uri.removeprefix("gs://").partition("/")
        objects = [o for o in cloud.store.list(bucket) if fnmatchcase(o["name"], pattern)]
        if not objects:
            raise NotFoundError(f"No file matches the input URI {uri}.")
        for record in objects:
            text = cloud.store.read(record).decode()
            form = job["inputConfig"]["instancesFormat"]
            yield from instances.read(text, form=form, transform=transform)


def _predict(job: Record, url: str, rows: list[Instance]) -> Output:
    output = Output()
    size = int(job.get("manualBatchTuningParameters", {}).get("batchSize", 0)) or BATCH_SIZE
    good = [row for row in rows if not row.error]
    for row in rows:
        if row.error:
            output.fail([row], row.error)
    with httpx.Client(timeout=REQUEST_SECONDS, trust_env=False) as client:
        for start in range(0, len(good), size):
            if job["state"] == "JOB_STATE_CANCELLED":
                break
            _predict_some(client, url, (job, good[start : start + size]), output)
            job["updateTime"] = now()
    return output


def _predict_some(
    client: httpx.Client, url: str, what: tuple[Record, list[Instance]], output: Output
) -> None:
    job, rows = what
    body: dict[str, Any] = {"instances": [row.sent for row in rows]}
    if "modelParameters" in job:
        body["parameters"] = job["modelParameters"]
    try:
        answer = client.post(url, json=body)
        predictions = answer.json()["predictions"] if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError, KeyError) as error:
        output.fail(rows, f"The model server's answer cannot be used: {error!r}")
        return
    if predictions is None or len(predictions) != len(rows):
        output.fail(rows, answer.text)
        return
    output.results += [
        {**row.label, "prediction": prediction}
        for row, prediction in zip(rows, predictions, strict=True)
    ]


def _write(cloud: Cloud, job: Record, output: Output) -> None:
    """Write results and errors, one file of each for every replica."""
    prefix = job["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
    time = datetime.now(UTC).strftime("%Y_%m_%dT%H_%M_%S_%f")[:-3]
    folder = f"{prefix}/prediction-{job['displayName']}-{time}Z"
    shards = int(job["dedicatedResources"].get("startingReplicaCount", 0)) or 1
    for name, lines in (("results", output.results), ("errors_stats", output.errors)):
        for shard in range(shards):
            part = "".join(json.dumps(line) + "\n" for line in lines[shard::shards])
            path = f"{folder}/prediction.{name}-{shard:05d}-of-{shards:05d}"
            bucket, _, key = path.removeprefix("gs://").partition("/")
            cloud.store.write(bucket, {"name": key}, part.encode())
    with cloud.lock:
        _report(job, output, folder)
        cloud.state.commit()


def _report(job: Record, output: Output, folder: str) -> None:
    """Note in a job what came out, and that it has ended."""
    job["outputInfo"] = {"gcsOutputDirectory": folder}
    job["completionStats"] = {
        "successfulCount": str(len(output.results)),
        "failedCount": str(len(output.errors)),
    }
    if output.errors:
        errors = list({line["error"]["message"]: line["error"] for line in output.errors}.values())
        job["partialFailures"] = errors[:20]
    if output.errors and not output.results:
        job["error"] = {"code": 9, "message": "No row was predicted: see the error files."}
    # Google's own SDK waits for ever for JOB_STATE_PARTIALLY_SUCCEEDED: failed rows show in the
    # statistics and the error files instead.
    _end(job, "JOB_STATE_SUCCEEDED" if output.results or not output.errors else "JOB_STATE_FAILED")


def _end(job: Record, state: str) -> None:
    job.update(endTime=now(), updateTime=now())
    job["state"] = state


HANDLERS: Mapping[str, Handler] = {
    "JobService.CreateBatchPredictionJob": create,
    "JobService.GetBatchPredictionJob": get,
    "JobService.ListBatchPredictionJobs": list_,
    "JobService.CancelBatchPredictionJob": cancel,
    "JobService.DeleteBatchPredictionJob": delete,
}
