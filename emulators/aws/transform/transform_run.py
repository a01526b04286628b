"""One transform job: model servers up, every input object through them, results in S3."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import urllib3
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends

from tridock.emulators.aws.dataplane import artifacts
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.instances import LONGEST_STARTUP
from tridock.emulators.aws.transform.transform_data import (
    JSON,
    DataError,
    assemble,
    batches,
    records,
    results,
)
from tridock.emulators.aws.transform.transform_log import Gauge, JobLog
from tridock.emulators.aws.transform.transform_settings import (
    Settings,
    environment,
    read_settings,
    tuned,
)
from tridock.emulators.fleet import Container, Server, UnhealthyError

log = logging.getLogger(__name__)

#: Seconds of the service in which it finds instances for a job and starts them.
START = 60.0


class JobError(Exception):
    """The job failed; the message is its ``FailureReason``."""


class JobStoppedError(Exception):
    """The job was stopped, or the emulator ends."""


@dataclass(frozen=True)
class Run:
    """One job while it runs.

    Attributes
    ----------
    cloud : Cloud
        Whose clock and fleet are used.
    account, region, name : str
        Whose job.
    request : Mapping
        CreateTransformJob, as it was sent.
    container : Mapping
        The model's container definition.
    stopping : threading.Event
        Set to stop the job.
    """

    cloud: Cloud
    account: str
    region: str
    name: str
    request: Mapping[str, Any]
    container: Mapping[str, Any]
    stopping: threading.Event = field(default_factory=threading.Event)

    def go(self) -> None:
        """Run the job to its end.

        Raises
        ------
        JobError
            If it fails; results of the objects that succeeded are in place.
        JobStoppedError
            If it was stopped.
        """
        self._sleep(START)
        inputs = self._inputs()
        count = min(self.request["TransformResources"]["InstanceCount"], len(inputs))
        shares = [inputs[place::count] for place in range(count)]
        with ThreadPoolExecutor(count) as pool:
            failures = [text for texts in pool.map(self._instance, shares) for text in texts]
        if self.stopping.is_set():
            raise JobStoppedError
        if failures:
            raise JobError(failures[0])

    def _sleep(self, seconds: float) -> None:
        awake = self.cloud.clock.sleep(seconds)
        if self.stopping.is_set() or not awake:
            raise JobStoppedError

    def _inputs(self) -> list[Source]:
        uri = self.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        try:
            inputs = sources(self.account, self.request)
        except artifacts.MissingDataError:
            inputs = []
        if not inputs:
            raise JobError(
                f'ClientError: No S3 objects found under S3 URL "{uri}" given in input data source.'
                f" Please ensure that the bucket exists in the selected region ({self.region}), "
                "that objects exist under that S3 prefix, and that the role has "
                '"s3:ListBucket" permissions on the bucket.'
            )
        return inputs

    def _instance(self, share: Iterable[Source]) -> list[str]:
        """Send one instance's share of the objects through its model server; return failures."""
        record = JobLog(self.account, self.region, f"{self.name}/i-{uuid.uuid4().hex[:17]}")
        server = self._start(record)
        gauge = Gauge.of(server)
        try:
            self.cloud.fleet.wait(server, "/ping", timeout=LONGEST_STARTUP)
            settings = tuned(read_settings(self.request), self.request, parameters(server))
            record.say(
                f"MaxConcurrentTransforms={settings.concurrency}, MaxPayloadInMB="
                f"{settings.payload}, BatchStrategy="
                f"{'MULTI_RECORD' if settings.several else 'SINGLE_RECORD'}"
            )
            work = Work(self, server, settings, record)
            return [failure for source in share if (failure := work.object(source))]
        except UnhealthyError as error:
            record.say(f"the container did not pass the ping health check: {error}")
            return ["AlgorithmError: See job logs for more information"]
        finally:
            gauge.publish(self.account, self.region, record.stream)
            record.container(server.log)
            self.cloud.fleet.stop(server, grace=5)

    def _start(self, record: JobLog) -> Server:
        folder = self.cloud.fleet.folder()
        model = folder / "model"
        model.mkdir()
        try:
            artifacts.fetch(self.account, self.container, model)
        except (artifacts.MissingDataError, artifacts.BrokenArchiveError) as error:
            raise JobError(
                "ClientError: Failed to download or extract the model data of the job's model: "
                f"{error}"
            ) from error
        own = {str(k): str(v) for k, v in (self.container.get("Environment") or {}).items()}
        region = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        variables = region | own | environment(self.request)
        image = self.container.get("Image", "")
        return self.cloud.fleet.start(Container(image, model, variables), folder)


def parameters(server: Server) -> Mapping[str, Any]:
    """Return the container's ``GET /execution-parameters``; empty if it has none."""
    try:
        answer = urllib3.request("GET", f"{server.url}/execution-parameters", timeout=10.0)
        preferred = json.loads(answer.data) if answer.status == 200 else {}
    except (urllib3.exceptions.HTTPError, ValueError):
        return {}
    return preferred if isinstance(preferred, dict) else {}


@dataclass(frozen=True)
class Work:
    """The requests of one instance."""

    run: Run
    server: Server
    settings: Settings
    record: JobLog

    def object(self, source: Source) -> str | None:
        """Transform one input object; return the failure reason, or None."""
        try:
            result = assemble(self._parts(source), by_line=self.settings.assemble_by_line)
            accept = self.settings.accept
            artifacts.write(self.run.account, source.target, result, content_type=accept)
        except artifacts.MissingDataError as error:
            self.record.say(f"{source}: ClientError: no such bucket or object: {error}")
            return "ClientError: See job logs for more information"
        except DataError as error:
            self.record.say(f"{source}: ClientError: {error}")
            return "ClientError: See job logs for more information"
        except JobError as error:
            return str(error)
        except JobStoppedError:
            return None
        return None

    def _parts(self, source: Source) -> list[bytes]:
        settings = self.settings
        needed = settings.processing.is_needed()
        data = artifacts.read(self.run.account, source.uri)
        lines = records(_plain(data, source) if settings.gzip else data, by_line=self._by_line())
        ready = [settings.processing.before(line) for line in lines] if needed else lines
        grouped = list(batches(ready, limit=settings.limit, several=settings.several))
        with ThreadPoolExecutor(settings.concurrency) as pool:
            answers = list(pool.map(lambda batch: self._send(batch, source), grouped))
        if not needed:
            return answers
        whole = settings.processing.accept == JSON and not self._by_line()
        parts: list[bytes] = []
        for batch, answer in zip(grouped, answers, strict=True):
            parts += results(answer, len(batch), by_line=not whole)
        return [
            settings.processing.after(line, part) for line, part in zip(lines, parts, strict=True)
        ]

    def _by_line(self) -> bool:
        """Return whether records are lines: CSV and JSON lines always are to filters and joins."""
        processing = self.settings.processing
        return self.settings.by_line or (processing.is_needed() and processing.content_type != JSON)

    def _send(self, batch: list[bytes], source: Source) -> bytes:
        """Send one request, again where the server failed, and return its answer."""
        for attempt in range(self.settings.retries + 1):
            if self.run.stopping.is_set():
                raise JobStoppedError
            status, body = self._post(b"\n".join(batch))
            if 200 <= status < 300:
                return body
            if status < 500 or attempt == self.settings.retries:
                break
        kind = "ClientError" if 400 <= status < 500 else "InternalServerError"
        for line in (f"{kind}: {status}", "", "Message:", body.decode(errors="replace")):
            self.record.say(f"{source}: {line}")
        raise JobError("AlgorithmError: See job logs for more information")

    def _post(self, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": self.settings.content_type, "Accept": self.settings.accept}
        try:
            answer = urllib3.request(
                "POST",
                f"{self.server.url}/invocations",
                body=body if self.settings.payload else iter([body]),
                headers={name: value for name, value in headers.items() if value},
                timeout=self.settings.timeout,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            return 500, f"no answer from the model server: {error}".encode()
        return answer.status, answer.data


def _plain(data: bytes, source: Source) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError) as error:
        raise DataError(f"{source} is not compressed with gzip: {error}") from error


@dataclass(frozen=True)
class Source:
    """One input object.

    Attributes
    ----------
    uri : str
        ``s3://bucket/key``.
    target : str
        Where its result goes.
    """

    uri: str
    target: str

    def __str__(self) -> str:
        return self.uri.removeprefix("s3://")


def sources(account: str, request: Mapping[str, Any]) -> list[Source]:
    """Return the objects of a job's input, in order.

    A prefix matches every key that begins with it, as S3 does; what follows its last slash, or the
    relative path of a manifest, names the result (API reference, TransformOutput, S3OutputPath).

    Raises
    ------
    MissingDataError
        If the manifest is not there or is none.
    """
    where = request["TransformInput"]["DataSource"]["S3DataSource"]
    output = request["TransformOutput"]["S3OutputPath"].rstrip("/")
    if where["S3DataType"] == "ManifestFile":
        objects = _manifest(account, where["S3Uri"])
    else:
        objects = _prefix(account, where["S3Uri"])
    return [Source(uri, f"{output}/{name}.out") for uri, name in objects]


def _prefix(account: str, uri: str) -> list[tuple[str, str]]:
    bucket, prefix = artifacts.address(uri)
    folder = prefix[: prefix.rfind("/") + 1]
    try:
        keys = list(s3_backends[account]["aws"].get_bucket(bucket).keys)
    except S3ClientError:
        return []
    names = sorted(key for key in keys if key.startswith(prefix) and not key.endswith("/"))
    return [(f"s3://{bucket}/{name}", name.removeprefix(folder)) for name in names]


def _manifest(account: str, uri: str) -> list[tuple[str, str]]:
    try:
        first, *names = json.loads(artifacts.read(account, uri))
        prefix = first["prefix"]
    except (ValueError, KeyError, TypeError) as error:
        raise artifacts.MissingDataError(f"{uri} is no manifest: {error!r}") from error
    return [(f"{prefix}{name}", name) for name in names]
