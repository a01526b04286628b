"""An image, started as each cloud starts it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tridock.inference.bundle.downloads import EMULATOR
from tridock.inference.check.subject import Subject
from tridock.inference.image.container import ContainerServer, Plan
from tridock.inference.image.engine import Image

#: What every container is confined to here; no cloud is as strict. A bundle fits or does not.
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--cpus", "1")  # noqa: S108
UNPRIVILEGED = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges")
DEFAULT_MEMORY = "512m"


@dataclass(frozen=True)
class CloudContract:
    """Rules by which one cloud starts a container.

    Attributes
    ----------
    health, predict : str
        Routes that it calls.
    start_seconds : float
        Time it gives until the first healthy answer.
    stop_seconds : float
        Time from SIGTERM to SIGKILL.
    plan : callable
        Lays out a bundle, and yields what to start, but for the image.
    """

    health: str
    predict: str
    start_seconds: float
    stop_seconds: float
    plan: Callable[[Path], AbstractContextManager[Plan]]


@dataclass(frozen=True)
class StartedContainer:
    """A container under judgement.

    Attributes
    ----------
    image : Image
        What it was made from.
    dock : Dock
        How it was started.
    plan : Plan
        With what words.
    server : ContainerServer
        What runs.
    subject : Subject
        The same, to be called over HTTP.
    seconds : float or None
        From its start to its first healthy answer; None if there was none.
    """

    image: Image
    contract: CloudContract
    plan: Plan
    server: ContainerServer
    subject: Subject
    seconds: float | None


@contextmanager
def staged(
    image: Image, contract: CloudContract, bundle: Path, *, memory: str, folder: Path
) -> Iterator[StartedContainer]:
    """Start `image` as `contract` does, wait for its health, and end it afterwards.

    Parameters
    ----------
    memory : str
        What it may use, in Docker's words: ``512m``.
    folder : Path
        Where its log goes.

    Raises
    ------
    EngineError
        If it cannot be started.
    """
    with contract.plan(bundle) as plan:
        limits = (*CONFINED, "--memory", memory, "--memory-swap", memory)
        plan = replace(plan, image=image.id, options=(*limits, *plan.options))
        begun = time.monotonic()
        server = ContainerServer.start(plan, folder / "server.log")
        try:
            is_ready = _wait(server, contract)
            seconds = time.monotonic() - begun if is_ready else None
            subject = Subject(urlsplit(server.url), variables=plan.environment)
            yield StartedContainer(image, contract, plan, server, subject, seconds)
        finally:
            server.stop(grace=1.0)


def _wait(server: ContainerServer, contract: CloudContract) -> bool:
    end = time.monotonic() + contract.start_seconds
    while time.monotonic() < end and server.exit_code() is None:
        if server.is_ready(contract.health):
            return True
        time.sleep(0.02)
    return False


def _sagemaker(bundle: Path) -> AbstractContextManager[Plan]:
    """As root, with the model's files at one path («Use your own inference code»)."""
    mounts = {"/opt/ml/model": bundle}
    variables = {"AWS_REGION": "us-east-1", "SAGEMAKER_SAFE_PORT_RANGE": "21000-21999"}
    options = ("--user", "0:0")
    return nullcontext(Plan("", environment=variables, mounts=mounts, options=options))


@contextmanager
def _vertex(bundle: Path) -> Iterator[Plan]:
    """By variables, with the model's files in a bucket («Custom container requirements»)."""
    with served(bundle) as service:
        variables = {
            "AIP_MODE": "PREDICTION",
            "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
            "AIP_HEALTH_ROUTE": VERTEX,
            "AIP_PREDICT_ROUTE": f"{VERTEX}:predict",
            "AIP_STORAGE_URI": URI,
            EMULATOR: service,
        }
        yield Plan("", (), variables, port_variable="AIP_HTTP_PORT", options=UNPRIVILEGED)


def _azure(bundle: Path) -> AbstractContextManager[Plan]:
    """With a directory of models («Deploy a custom container»)."""
    path = "/var/azureml-app/azureml-models/model/1"
    variables = {"AZUREML_MODEL_DIR": path}
    mounts = {path: bundle}
    return nullcontext(Plan("", (), variables, mounts, options=UNPRIVILEGED))


VERTEX = "/v1/endpoints/1/deployedModels/2"
#: SIGKILL comes after 30 s at SageMaker, 10 s at Cloud Run (Vertex AI does not say) and 30 s in
#: Kubernetes, below Azure ML (which does not say); the first answer within 4 minutes, 30 minutes
#: (`deployment_timeout`) and 310 s (the probes' defaults). Half an hour is too long for a check.
DOCKS: Mapping[str, CloudContract] = {
    "aws": CloudContract("/ping", "/invocations", 240, 30, _sagemaker),
    "gcp": CloudContract(VERTEX, f"{VERTEX}:predict", 310, 10, _vertex),
    "azure": CloudContract("/", "/score", 310, 30, _azure),
}


# A bundle as Vertex AI has it: in a bucket, which the container reads over HTTP.

#: Address of the model, in a variable of the container.
URI = "gs://check/model"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of `folder` as the objects below `URI`, and yield the service's address.

    Cloud Storage JSON API, «Objects: list» and «Objects: get», as much as a download needs.
    """
    names = {f"model/{file.relative_to(folder).as_posix()}": file for file in _files(folder)}
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Objects, names)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class _Objects(BaseHTTPRequestHandler):
    #: Seconds for a caller to send or take something; else its connection is closed.
    timeout = 20

    def __init__(self, names: dict[str, Path], *more: Any) -> None:
        self._names = names
        super().__init__(*more)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        _, _, name = url.path.partition("/b/check/o")
        if not name:
            prefix = parse_qs(url.query).get("prefix", [""])[0]
            items = [{"name": each} for each in self._names if each.startswith(prefix)]
            self._send(200, json.dumps({"items": items}).encode())
        elif file := self._names.get(unquote(name.removeprefix("/"))):
            self._send(200, file.read_bytes())
        else:
            self._send(404, b"{}")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file())
