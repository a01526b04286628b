"""The verbs of `deploy.target.Target` as orders to this machine's router."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from deploy.errors import (
    ConfigError,
    ConflictError,
    InvokeError,
    NotFoundError,
    TargetError,
    UnavailableError,
)
from deploy.leftovers import Leftover
from deploy.local import daemon
from deploy.local.leftovers import Remains
from deploy.local.models import FolderModels
from deploy.local.notes import FileNotes
from deploy.local.router import HEADER
from deploy.metrics import Answer, Metrics, with_log
from deploy.target import Deployment, Endpoint, Release, Scaling, State
from inference.bundle import Bundle

LIMITS = {
    "count": "every deployment is one process, whatever count says",
    "image": "the model server of this checkout runs, and no image",
    "scaling": "every deployment is one process, whatever its load",
}

#: What the router's statuses mean.
KINDS: Mapping[int, type[TargetError]] = {
    404: NotFoundError,
    409: ConflictError,
    503: UnavailableError,
}


@dataclass(frozen=True)
class LocalTarget:
    """The machine at hand.

    Attributes
    ----------
    folder : Path
        Bundles, logs and the router's own files.
    """

    folder: Path
    name: str = "local"

    @property
    def limits(self) -> Mapping[str, str]:
        """See `Target.limits`."""
        return LIMITS

    @property
    def notes(self) -> FileNotes:
        """See `Target.notes`."""
        return FileNotes(self.folder / "notes")

    @property
    def models(self) -> FolderModels:
        """See `Target.models`."""
        return FolderModels(self.folder / "models")

    def identity(self) -> str:
        """See `Target.identity`."""
        return f"this machine, {self.folder}"

    def endpoints(self) -> Sequence[str]:
        """See `Target.endpoints`."""
        url = daemon.find(self.folder)
        return tuple(_order("GET", f"{url}/-/endpoints")) if url else ()

    def upload(self, bundle: Bundle) -> str:
        """See `Target.upload`."""
        place = self.folder / "bundles" / bundle.digest
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as draft:
                copied = shutil.copytree(bundle.path, Path(draft) / "bundle")
                copied.rename(place)
        return place.as_uri()

    def deploy(self, release: Release) -> None:
        """See `Target.deploy`."""
        folder = unquote(urlsplit(release.artifact).path)
        if not Path(folder).is_dir():
            raise NotFoundError(f"there is no bundle at {release.artifact}: upload it first")
        url = f"{daemon.up(self.folder)}/-/endpoints/{release.endpoint}/deployments/{release.name}"
        _order("PUT", url, asdict(release) | {"folder": folder, "variables": release.variables})

    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        """See `Target.scale`, and `limits`."""
        if scaling:
            raise ConfigError(f"[scaling] of {endpoint}/{deployment}: {LIMITS['scaling']}")

    def describe(self, endpoint: str) -> Endpoint:
        """See `Target.describe`."""
        url = self._url(endpoint)
        told = _order("GET", url.replace("/endpoints/", "/-/endpoints/"))
        deployments = {one["name"]: _deployment(one) for one in told["deployments"]}
        states = {one.state for one in deployments.values()}
        state = State.READY if State.READY in states else next(iter(states), State.READY)
        shown = Endpoint(endpoint, deployments, told["traffic"], _settled(state), url=url)
        return replace(shown, shadow=told["shadow"])

    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        """See `Target.set_traffic`."""
        _order("PUT", self._control(endpoint) + "/traffic", dict(traffic))

    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        """See `Target.invoke`."""
        headers = {"content-type": "application/json"}
        headers |= {HEADER: deployment} if deployment else {}
        url = f"{self._url(endpoint)}/invocations"
        answer = _send("POST", url, content=body, headers=headers)
        if answer.is_error:
            raise InvokeError(
                f"{endpoint} answered {answer.status_code}: {answer.text}",
                status=answer.status_code,
            )
        return answer.content

    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        """See `Target.shadow`: the router copies, and keeps both answers."""
        wanted = {"name": deployment, "percent": percent}
        _order("PUT", self._control(endpoint) + "/shadow", wanted)

    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics:
        """See `Target.metrics`: the router's counts; how sure the model was, from its log."""
        told = _order("GET", self._recalled(endpoint, deployment, "metrics", since))
        log = self._log(endpoint, deployment)
        if not log.exists():
            return Metrics(**told)
        with log.open(errors="replace") as lines:  # most are of single requests
            return with_log(Metrics(**told), lines, since)

    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        """See `Target.answers`: the last 100,000 that the router saw."""
        told = _order("GET", self._recalled(endpoint, deployment, "answers", since))
        return tuple(Answer(**{**one, "predictions": tuple(one["predictions"])}) for one in told)

    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        """See `Target.logs`."""
        log = self._log(endpoint, deployment)
        if not log.exists():
            return ()
        return tuple(log.read_text(errors="replace").splitlines()[-lines:])

    def undeploy(self, endpoint: str, deployment: str) -> None:
        """See `Target.undeploy`."""
        if daemon.find(self.folder):
            _order("DELETE", f"{self._control(endpoint)}/deployments/{deployment}")

    def delete(self, endpoint: str) -> None:
        """See `Target.delete`."""
        if daemon.find(self.folder):
            _order("DELETE", self._control(endpoint))

    def purge(self, endpoint: str) -> None:
        """See `Target.purge`: bundles that no deployment runs; logs, once the endpoint is gone."""
        running = {name: self.describe(name) for name in self.endpoints()}
        if endpoint not in running:
            shutil.rmtree(self.folder / "servers" / endpoint, ignore_errors=True)
        used = {one.digest for found in running.values() for one in found.deployments.values()}
        for place in (self.folder / "bundles").glob("*"):
            if place.name not in used:
                shutil.rmtree(place)

    def leftovers(self) -> Sequence[Leftover]:
        """See `Target.leftovers`."""
        return tuple(self._remains().found())

    def discard(self, leftover: Leftover) -> None:
        """See `Target.discard`."""
        self._remains().discard(leftover)

    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        """See `Target.snippets`."""
        url = f"{self._url(endpoint)}/invocations"
        data = body.decode()
        curl = f"curl -s {url} -H 'Content-Type: application/json' -d {shlex.quote(data)}"
        python = f"import httpx\nprint(httpx.post({url!r}, json={json.loads(body)!r}).json())"
        return {"curl": curl, "python": python}

    def _remains(self) -> Remains:
        found = [self.describe(name) for name in self.endpoints()]
        running = {one.digest for each in found for one in each.deployments.values()}
        return Remains(self.folder, running, {each.name for each in found})

    def _log(self, endpoint: str, deployment: str) -> Path:
        return self.folder / "servers" / endpoint / deployment / "server.log"

    def _url(self, endpoint: str) -> str:
        """Return the endpoint's address; raise `NotFoundError` where no router is up."""
        url = daemon.find(self.folder)
        if not url:
            raise NotFoundError(f"no endpoint {endpoint!r} on this machine: no router is up")
        return f"{url}/endpoints/{endpoint}"

    def _recalled(self, endpoint: str, deployment: str, what: str, since: datetime) -> str:
        control = self._control(endpoint)
        return f"{control}/deployments/{deployment}/{what}?since={since.timestamp()!r}"

    def _control(self, endpoint: str) -> str:
        return self._url(endpoint).replace("/endpoints/", "/-/endpoints/")


def _deployment(told: Mapping[str, Any]) -> Deployment:
    return Deployment(
        name=told["name"],
        state=State(told["state"]),
        reason=told["reason"],
        bundle=told["bundle"],
        version=told["version"],
        digest=told["digest"],
        created=datetime.fromisoformat(told["created"]),
    )


def _settled(state: State) -> State:
    """Return the endpoint's state: the router takes changes while a model server comes up."""
    return State.READY if state is State.CREATING else state


def _order(method: str, url: str, body: Any = None) -> Any:
    answer = _send(method, url, json=body)
    if answer.is_success:
        return answer.json() if answer.content else None
    kind = KINDS.get(answer.status_code, TargetError)
    what = answer.json()["error"] if answer.status_code in KINDS else answer.text
    raise kind(what, operation=f"router:{method}", code=str(answer.status_code))


@cache
def _client() -> httpx.Client:
    # Plain HTTP on the loopback: reading all certificate authorities would take its time.
    return httpx.Client(timeout=90.0, trust_env=False, verify=False)  # noqa: S501


def _send(method: str, url: str, **content: Any) -> httpx.Response:
    try:
        return _client().request(method, url, **content)
    except httpx.TransportError as error:
        raise UnavailableError(f"the local router at {url} does not answer: {error}") from error
