"""Each cloud's rules for a container beyond its answers: its start, run and end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tridock.inference.check.example import MissingExampleError
from tridock.inference.check.finding import Rule, State, Verdict
from tridock.inference.check.stage import DOCKS, StartedContainer
from tridock.inference.check.subject import SilenceError, Subject
from tridock.inference.image.container import ContainerServer
from tridock.inference.image.engine import EngineError, docker

HOSTING = "Use your own inference code with hosting services (SageMaker AI Developer Guide)"
PIPELINE = "Inference pipelines in Amazon SageMaker AI (SageMaker AI Developer Guide)"
MULTI = "Custom containers contract for multi-model endpoints (SageMaker AI Developer Guide)"
START = {
    "aws": HOSTING,
    "gcp": "Custom container requirements for inference (Vertex AI)",
    "azure": "CLI (v2) managed online deployment YAML schema (Azure ML)",
}
STOP = {
    "aws": HOSTING,
    "gcp": "Container runtime contract (Cloud Run)",
    "azure": "Pod lifecycle, termination of pods (Kubernetes)",
}
PRACTICE = "Docker run reference; Dockerfile reference (Docker)"
LABEL = "com.amazonaws.sagemaker.capabilities."
BIND = "SAGEMAKER_BIND_TO_PORT"
CALLERS = 4
#: Seconds of requests before SIGTERM, and after it.
BEFORE_SECONDS, AFTER_SECONDS = 0.5, 1.5


def rules(cloud: str) -> tuple[Rule[StartedContainer], ...]:
    """Return the rules about a running container of `cloud`; the last of them ends it."""
    contract = DOCKS[cloud]
    own = SAGEMAKER if cloud == "aws" else ()
    return (
        Rule(f"{cloud}-confined", "runs with a read-only root and one core", PRACTICE, _confined),
        Rule(f"{cloud}-healthcheck", "its HEALTHCHECK says so too", PRACTICE, _healthcheck),
        *own,
        Rule(
            f"{cloud}-stop",
            f"after SIGTERM answers what it took, exits with 0 in {contract.stop_seconds:g} s",
            STOP[cloud],
            _stop,
        ),
    )


def start(cloud: str) -> Rule[StartedContainer]:
    """Return the rule about the first healthy answer."""
    what = f"healthy within {DOCKS[cloud].start_seconds:g} s, {HOW[cloud]}"
    return Rule(f"{cloud}-start", what, START[cloud], _start)


#: What a cloud's container is given, in a few words.
HOW = {
    "aws": "as root, with the argument `serve`, /opt/ml/model read-only",
    "gcp": "with no variables but AIP_*, the artifact in a bucket",
    "azure": "with no variable but AZUREML_MODEL_DIR, which is read-only",
}


def _start(stage: StartedContainer) -> Verdict:
    if stage.seconds is not None:
        return Verdict(State.KEPT, f"{stage.seconds:.1f} s")
    code = stage.server.exit_code()
    ended = "no healthy answer" if code is None else f"it exited with {code}"
    return Verdict(State.BROKEN, f"{ended}: {' / '.join(stage.server.tail(3).splitlines())}")


def _confined(stage: StartedContainer) -> Verdict:
    """Look at it after all other requests: nothing was killed and all was answered."""
    state = json.loads(docker("inspect", "--format", "{{json .State}}", stage.server.name))
    limits = docker("inspect", "--format", "{{.HostConfig.Memory}}", stage.server.name)
    shown = f"{state['Status']}, within {int(limits) >> 20} MB"
    fine = (
        state["Running"] and not state["OOMKilled"] and stage.server.is_ready(stage.contract.health)
    )
    return Verdict.of(fine, shown if fine else f"{shown}, out of memory: {state['OOMKilled']}")


def _healthcheck(stage: StartedContainer) -> Verdict:
    words = (stage.image.config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    if words[0] == "NONE":
        return Verdict(State.ABSENT, "the image has no HEALTHCHECK")
    command = ["/bin/sh", "-c", *words[1:]] if words[0] == "CMD-SHELL" else words[1:]
    begun = time.monotonic()
    try:
        docker("exec", stage.server.name, *command)
    except EngineError as error:
        return Verdict(State.BROKEN, str(error))
    return Verdict(State.KEPT, f"healthy after {time.monotonic() - begun:.2f} s")


def _port(stage: StartedContainer) -> Verdict:
    """Start a second container with a port of its own, if the image promises to take it."""
    if stage.image.labels.get(f"{LABEL}accept-bind-to-port") != "true":
        return Verdict(State.ABSENT, "no label: it cannot be one of several containers")
    plan = replace(stage.plan, port_variable=BIND)
    folder = stage.server.log.parent
    second = ContainerServer.start(plan, folder / "second.log")
    try:
        end = time.monotonic() + stage.contract.start_seconds
        while not second.is_ready("/ping") and time.monotonic() < end:
            if second.exit_code() is not None:
                return Verdict(State.BROKEN, f"with port {second.port}, it ended: {second.tail(1)}")
            time.sleep(0.05)
        return Verdict.of(second.is_ready("/ping"), f"told {second.port}, it listens there")
    finally:
        second.stop(grace=1.0)


def _several(stage: StartedContainer) -> Verdict:
    if stage.image.labels.get(f"{LABEL}multi-models") != "true":
        return Verdict(State.ABSENT, "no label: a container has one model")
    came = stage.subject.ask("GET", "/models")
    return Verdict.of(came.status == 200, f"the label is set, and GET /models is {came.status}")


SAGEMAKER: tuple[Rule[StartedContainer], ...] = (
    Rule("aws-bind-to-port", f"listens at {BIND}, if its label says so", PIPELINE, _port),
    Rule("aws-multi-models", "has the routes below /models, if its label says so", MULTI, _several),
)


@dataclass
class _Load:
    """Callers that go on until they are refused or stopped."""

    subject: Subject
    path: str
    body: bytes
    lost: list[str] = field(default_factory=list)
    answered: int = 0
    terminated: float = float("inf")
    is_over: bool = False

    def call(self) -> None:
        headers = {"content-type": "application/json"}
        while not self.is_over:
            begun = time.monotonic()
            try:
                came = self.subject.ask("POST", self.path, body=self.body, headers=headers)
            except SilenceError as error:
                if begun < self.terminated:
                    self.lost.append(str(error))
                return
            self.answered += 1
            if came.status != 200 and begun < self.terminated:
                said = came.body[:100].decode(errors="replace")
                self.lost.append(f"{came.told()}: {said}")


def _stop(stage: StartedContainer) -> Verdict:
    """Send SIGTERM under load: each request sent before it is to be answered."""
    load = _Load(stage.subject, stage.contract.predict, _body(stage))
    callers = [threading.Thread(target=load.call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    time.sleep(BEFORE_SECONDS)
    load.terminated = time.monotonic()
    stage.server.terminate()
    time.sleep(AFTER_SECONDS)
    load.is_over = True
    code = _ended(stage, load.terminated + stage.contract.stop_seconds)
    seconds = time.monotonic() - load.terminated
    for caller in callers:
        caller.join()
    if code is None:
        return Verdict(State.BROKEN, f"still running {seconds:.1f} s after SIGTERM")
    ended = f"exit code {code} after {seconds:.1f} s, {len(load.lost)} of {load.answered} lost"
    return Verdict.of(code == 0 and not load.lost, "; ".join([ended, *load.lost[:1]]))


def _body(stage: StartedContainer) -> bytes:
    instances: Mapping[str, object] = stage.subject.instances()
    if not instances:
        raise MissingExampleError("there is no request to send while it ends")
    return json.dumps(instances).encode()


def _ended(stage: StartedContainer, end: float) -> int | None:
    while stage.server.exit_code() is None and time.monotonic() < end:
        time.sleep(0.02)
    return stage.server.exit_code()
