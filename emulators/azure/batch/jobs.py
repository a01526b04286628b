"""Jobs of batch endpoints: started by an invocation, run as a process, kept with their output."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import traceback
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from tridock.emulators.azure.core.cloud import CONTAINER, Cloud
from tridock.emulators.azure.core.entra import MACHINE_LEARNING_AUDIENCES, MANAGEMENT_AUDIENCES
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http import errors
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import invalid, missing, not_emulated
from tridock.emulators.azure.servers.assets import Location
from tridock.emulators.place import ROOT
from tridock.inference.process.parent_watch import watch_stdin

#: The address of a batch endpoint's jobs, at the service's own host.
ADDRESS = re.compile(
    r"^(?:/mferp/managementfrontend)?/subscriptions/(?P<subscription>[^/]+)/resourceGroups/"
    r"(?P<group>[^/]+)/providers/(?P<provider>[^/]+)/workspaces/(?P<workspace>[^/]+)/"
    r"batchEndpoints/(?P<endpoint>[^/]+)/jobs$",
    re.I,
)
DEPLOYMENT = "azureml-model-deployment"
REPEAT = "repeatability-request-id"

#: Of our own environment, what a job's process gets.
INHERITED = ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Folders:
    """Folders of a job's files."""

    root: Path

    @property
    def log(self) -> Path:
        """Log of its process."""
        return self.root / "job.log"

    @property
    def output(self) -> Path:
        """Output of the job."""
        return self.root / "output"


class Jobs(Kind):
    """Batch jobs, by name."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._repeats: dict[str, Resource] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def address(self, call: Call) -> Answer:
        """Answer the address of a batch endpoint: start a job, or list those it started."""
        self.cloud.entra.check(call, MACHINE_LEARNING_AUDIENCES + MANAGEMENT_AUDIENCES)
        match = ADDRESS.match(call.path)
        if not match:
            raise missing(call.path)
        pairs = (("workspaces", match["workspace"]), ("batchEndpoints", match["endpoint"]))
        place = (match["subscription"], match["group"], match["provider"])
        endpoint = self.find(ResourceId(*place, pairs))
        if call.method == "GET":
            return Answer(200, {"value": self._of(endpoint, call)})
        return Answer(201, self.view(self._begun(endpoint, call), call.front))

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Refuse a job that no batch endpoint started."""
        raise not_emulated("Starting a job other than by a batch endpoint")

    def act(self, identifier: ResourceId, action: str, call: Call) -> Answer:
        """Answer ``cancel``."""
        job = self.find(identifier)
        if action.lower() != "cancel":
            return super().act(identifier, action, call)
        process = self._processes.get(identifier.key)
        if process and process.poll() is None:
            self.cloud.store.change(job.id, status="Canceled")
            process.terminate()
        return Answer(200)

    def end(self) -> None:
        """End every process: the emulator is reset or ends."""
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._processes.clear()

    def _of(self, endpoint: Resource, call: Call) -> list[dict[str, Any]]:
        jobs = self.cloud.store.children(endpoint.id.parent, "jobs")
        mine = [job for job in jobs if job.properties["experimentName"] == endpoint.id.name]
        return [self.view(one, call.front) for one in mine]

    def _begun(self, endpoint: Resource, call: Call) -> Resource:
        """Start a job; a request that is sent twice starts one."""
        repeat = call.headers.get(REPEAT, "")
        if repeat and repeat in self._repeats:
            return self._repeats[repeat]
        deployment = self._deployment(endpoint, call)
        wanted = call.json().get("properties") or {}
        name = f"batchjob-{uuid.uuid4()}"
        job = self.keep(_job(endpoint.id.parent.child("jobs", name), endpoint.id.name))
        folders = Folders(self.cloud.fleet.folder())
        task = self._task(deployment, wanted, folders)
        self.cloud.operations.start(job.id, lambda: self._run(job, deployment, task, folders))
        self._repeats[repeat] = job
        return job

    def _deployment(self, endpoint: Resource, call: Call) -> Resource:
        default = (endpoint.properties.get("defaults") or {}).get("deploymentName")
        name = call.headers.get(DEPLOYMENT) or default
        if not name:
            raise invalid(f"Endpoint '{endpoint.id.name}' has no default deployment.")
        return self.find(endpoint.id.child("deployments", name))

    def _task(self, deployment: Resource, wanted: Mapping[str, Any], folders: Folders) -> Job:
        """Bring the files of a job to its folder."""
        settings = deployment.properties
        inputs = list((wanted.get("inputData") or {}).values())
        if len(inputs) != 1:
            raise invalid(f"A job takes one input, not {len(inputs)}.")
        code = self._files(settings["codeConfiguration"]["codeId"], "codeUri", folders.root)
        folders.output.mkdir()
        rows = settings["outputAction"].lower() == "appendrow"
        retry = settings["retrySettings"]
        return Job(
            script=str(code / settings["codeConfiguration"]["scoringScript"]),
            data=str(self._export(inputs[0]["uri"], folders.root / "input")),
            output=str(folders.output / settings["outputFileName"]) if rows else "",
            size=int(settings["miniBatchSize"]),
            threshold=int(settings["errorThreshold"]),
            retries=int(retry.get("maxRetries", 3)),
            timeout=errors.seconds(retry.get("timeout"), 30.0),
        )

    def _files(self, identifier: str, name: str, folder: Path) -> Path:
        asset = self.cloud.store.get(identifier)
        if asset is None:
            raise missing(identifier)
        return self._export(asset.properties[name], folder / name)

    def _export(self, uri: str, to: Path) -> Path:
        asset = self.cloud.store.get(uri.removeprefix("azureml:"))
        place = Location.of(asset.properties["dataUri"] if asset else uri)
        if not place.has_files(self.cloud.blobs):
            raise invalid(f"There are no files at '{uri}'.")
        return self.cloud.blobs.export(place.container, place.path, to)

    def _run(self, job: Resource, deployment: Resource, task: Job, folders: Folders) -> None:
        model = (deployment.properties.get("model") or {}).get("assetId")
        variables = {name: os.environ[name] for name in INHERITED if name in os.environ}
        variables |= deployment.properties.get("environmentVariables") or {}
        variables["PYTHONPATH"] = str(ROOT)
        if model:
            self._files(model, "modelUri", folders.root)
            variables["AZUREML_MODEL_DIR"] = str(folders.root / "modelUri")
        command = [
            sys.executable,
            "-P",
            "-m",
            "tridock.emulators.azure.batch.jobs",
            json.dumps(vars(task)),
        ]
        with folders.log.open("wb") as log:
            # Its standard input ends with us, and it with that.
            process = subprocess.Popen(
                command,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folders.root,
            )
        self._processes[job.id.key] = process
        failed = process.wait() != 0
        self._keep_output(job.id.name, folders)
        now = self.cloud.store.get(job.id)
        if now and now.properties["status"] == "Running":
            self.cloud.store.change(job.id, status="Failed" if failed else "Completed")

    def _keep_output(self, name: str, folders: Folders) -> None:
        for file in folders.output.iterdir():
            path = f"azureml/{name}/score/{file.name}"
            self.cloud.blobs.write(CONTAINER, path, [file.read_bytes()])
        path = f"azureml/{name}/logs/job.log"
        self.cloud.blobs.write(CONTAINER, path, [folders.log.read_bytes()])


def _job(identifier: ResourceId, endpoint: str) -> Resource:
    properties = {
        "jobType": "Pipeline",
        "status": "Running",
        "displayName": identifier.name,
        "experimentName": endpoint,
        "services": {},
        "properties": {},
        "tags": {},
        "inputs": {},
        "outputs": {},
        "settings": {},
        "jobs": {},
        "isArchived": False,
    }
    return Resource(identifier, {"properties": properties})


# A batch job's process: a user's ``init()`` once, ``run(mini_batch)`` for each few files.


@dataclass(frozen=True)
class Job:
    """Work of one job.

    Attributes
    ----------
    script, data : str
        Paths of the scoring script and of the input file or folder.
    output : str
        File for the rows; empty to write none.
    size : int
        Files in a mini batch.
    threshold : int
        Files that may fail; -1 for any number.
    retries : int
        How often a mini batch is tried again.
    timeout : float
        Seconds that a mini batch may take.
    """

    script: str
    data: str
    output: str
    size: int
    threshold: int
    retries: int
    timeout: float


def main(text: str) -> int:
    """Run the job that `text` describes in JSON; 0 done, 1 failed."""
    job = Job(**json.loads(text))
    module = _load(Path(job.script))
    module.init()
    rows: list[str] = []
    failed = 0
    for files in _batches(job):
        results = _run(module, files, job)
        failed += 0 if results is not None else len(files)
        rows += results or ()
        if 0 <= job.threshold < failed:
            _say(f"{failed} files failed, more than the error threshold of {job.threshold}")
            return 1
    if job.output:
        Path(job.output).write_text("".join(f"{row}\n" for row in rows))
    _say(f"done: {len(rows)} rows, {failed} files failed")
    return 0


def _load(script: Path) -> ModuleType:
    sys.path.insert(0, str(script.parent))
    spec = importlib.util.spec_from_file_location(script.stem, script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _batches(job: Job) -> Iterable[list[str]]:
    data = Path(job.data)
    paths = sorted(data.rglob("*")) if data.is_dir() else [data]
    files = [str(path) for path in paths if path.is_file()]
    return (files[start : start + job.size] for start in range(0, len(files), job.size))


def _run(module: ModuleType, files: list[str], job: Job) -> list[str] | None:
    """Return the rows of one mini batch, or None if every try failed."""
    for _ in range(job.retries + 1):
        signal.signal(signal.SIGALRM, _late)
        signal.setitimer(signal.ITIMER_REAL, job.timeout)
        try:
            return _rows(module.run(files))
        except Exception:  # a user's code: any error fails its mini batch only
            traceback.print_exc(file=sys.stdout)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def _rows(result: Any) -> list[str]:
    if hasattr(result, "to_csv"):
        text: str = result.to_csv(header=False, index=False)
        return text.splitlines()
    return [str(row) for row in result]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("the mini batch took longer than its timeout")


if __name__ == "__main__":
    watch_stdin()
    sys.exit(main(sys.argv[1]))
