"""Rules for an image before it starts, and the whole judgement of one."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tridock.inference.check import RULES, container
from tridock.inference.check.finding import Finding, Rule, State, Verdict
from tridock.inference.check.stage import DEFAULT_MEMORY, DOCKS, StartedContainer, staged
from tridock.inference.image.contents import read
from tridock.inference.image.engine import EngineError, Image, demand, docker, inspect
from tridock.inference.image.size import measure

HOSTING = "Use your own inference code with hosting services (SageMaker AI Developer Guide)"
SERVERLESS = "Serverless endpoints, container size (SageMaker AI Developer Guide)"
CONTEXT = "Configure a security context for a pod or container (Kubernetes)"
ANNOTATIONS = "Image format specification, annotations (OCI)"
PRACTICES = "Building best practices (Docker)"
PRIVACY = "Privacy.md, disabling telemetry (ONNX Runtime)"

#: SageMaker serverless takes no larger one.
MOST_BYTES = 10 << 30
#: Names of commands and modules that install or build.
TOOLS = re.compile(
    r"(^|/)bin/(pip[\d.]*|uv|conda|gcc|g\+\+|cc|c\+\+|clang|ld|as|make)$"
    r"|(^|/)(pip|ensurepip|setuptools)/__init__\.py$"
)
#: An address with a password, or an index that only one company can reach.
SECRETS = re.compile(r"://[^/\s:@]+:[^/\s@]+@|PIP_(EXTRA_)?INDEX_URL=\S+")
TITLES = ("title", "description", "licenses", "version", "base.name")


@dataclass(frozen=True)
class InspectedImage:
    """An image that is looked at and not started."""

    image: Image

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All its files."""
        return read(self.image).paths


def judge(
    name: str, clouds: Iterable[str], bundle: Path, *, memory: str = DEFAULT_MEMORY
) -> Iterator[Finding]:
    """Look at an image, start it as each cloud would, and yield what was found.

    Parameters
    ----------
    name : str
        Of an image on this machine; nothing is pulled.
    clouds : iterable of str
        Whose contracts.
    bundle : Path
        What it is to serve.
    memory : str
        What a container may use, in Docker's words.

    Raises
    ------
    EngineError
        If there is no engine, or no such image.
    """
    demand()
    image = inspect(name)
    exhibit = InspectedImage(image)
    yield from (rule.judge(exhibit) for rule in LOOKS)
    for cloud in clouds:
        with tempfile.TemporaryDirectory(prefix="check-") as folder:
            yield from _performed(image, cloud, bundle, memory, Path(folder))


def _performed(
    image: Image, cloud: str, bundle: Path, memory: str, folder: Path
) -> Iterator[Finding]:
    with staged(image, DOCKS[cloud], bundle, memory=memory, folder=folder) as stage:
        begun = container.start(cloud).judge(stage)
        yield begun
        if stage.seconds is None:
            silent = Verdict(State.UNJUDGED, "it did not start")
            yield from (rule.found(silent) for rule in RULES[cloud])
            yield from (rule.found(silent) for rule in container.rules(cloud))
            return
        yield from (rule.judge(stage.subject) for rule in RULES[cloud])
        yield from (_judged(rule, stage) for rule in container.rules(cloud))


def _judged(rule: Rule[StartedContainer], stage: StartedContainer) -> Finding:
    try:
        return rule.judge(stage)
    except EngineError as error:
        return rule.found(Verdict(State.UNJUDGED, str(error)))


def _entry(exhibit: InspectedImage) -> Verdict:
    words = exhibit.image.config.get("Entrypoint") or []
    is_shell = not words or words[0].rpartition("/")[2] in ("sh", "bash", "dash")
    return Verdict.of(not is_shell, " ".join(words) or "no ENTRYPOINT")


def _user(exhibit: InspectedImage) -> Verdict:
    user = exhibit.image.config.get("User") or ""
    number = user.partition(":")[0]
    return Verdict.of(number.isdecimal() and int(number) > 0, user or "root, as no USER is set")


def _tools(exhibit: InspectedImage) -> Verdict:
    tools = [path for path in exhibit.paths if TOOLS.search(path)]
    shown = f"{len(tools)}: {', '.join(tools[:3])}" if tools else "none"
    return Verdict.of(not tools, shown)


def _secrets(exhibit: InspectedImage) -> Verdict:
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", exhibit.image.id)
    variables = "\n".join(exhibit.image.config.get("Env") or ())
    secrets = SECRETS.findall(f"{history}\n{variables}")
    return Verdict.of(not secrets, f"{len(secrets)} found" if secrets else "none")


def _titles(exhibit: InspectedImage) -> Verdict:
    known = exhibit.image.labels
    missing = [title for title in TITLES if not known.get(f"org.opencontainers.image.{title}")]
    return Verdict.of(not missing, f"without {', '.join(missing)}" if missing else "all")


def _quiet(exhibit: InspectedImage) -> Verdict:
    if not any(path.endswith("onnxruntime/__init__.py") for path in exhibit.paths):
        return Verdict(State.ABSENT, "there is no ONNX Runtime in it")
    value = exhibit.image.variables.get("ORT_DISABLE_TELEMETRY", "")
    return Verdict.of(value == "1", f"ORT_DISABLE_TELEMETRY={value}")


def _size(exhibit: InspectedImage) -> Verdict:
    shown = f"{exhibit.image.platform}, {measure(exhibit.image)}"
    return Verdict.of(exhibit.image.bytes <= MOST_BYTES, shown)


LOOKS: tuple[Rule[InspectedImage], ...] = (
    Rule("image-entry", "ENTRYPOINT in the exec form, so that signals arrive", HOSTING, _entry),
    Rule("image-user", "USER is a number other than 0", CONTEXT, _user),
    Rule("image-tools", "no compiler and no package installer", PRACTICES, _tools),
    Rule("image-secrets", "no password and no private index in its history", PRACTICES, _secrets),
    Rule("image-labels", "labels say what it is and from which base", ANNOTATIONS, _titles),
    Rule("image-quiet", "its libraries send no reports", PRIVACY, _quiet),
    Rule("image-size", "at most 10 GB", SERVERLESS, _size),
)
