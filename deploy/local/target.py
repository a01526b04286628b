"""The verbs of `tridock.deploy.target.protocol.Target` as orders to this machine's router."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import httpx
from typing_extensions import override

from tridock.deploy import private_files
from tridock.deploy.local import daemon
from tridock.deploy.local.gate import alone
from tridock.deploy.local.models import FolderModels
from tridock.deploy.local.notes import FileNotes
from tridock.deploy.local.orphans import Remains
from tridock.deploy.local.router import HEADER
from tridock.deploy.target import names
from tridock.deploy.target.errors import (
    ConfigError,
    ConflictError,
    InvokeError,
    NotFoundError,
    TargetError,
    UnavailableError,
)
from tridock.deploy.target.metrics import Answer, Metrics, with_log
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import (
    Deployment,
    Endpoint,
    Orphan,
    Release,
    Restarts,
    Scaling,
    State,
)
from tridock.deploy.waiting import lock, owner
from tridock.inference.bundle.bundle import Bundle

LIMITS = {
    "count": "every deployment is one process, whatever count says",
    "image": "the model server of this checkout runs, and no image",
    "scaling": "every deployment is one process, whatever its load",
}


@dataclass(frozen=True)
class LocalTarget(Target):
    """The machine at hand.

    Attributes
    ----------
    folder : Path
        Bundles, logs and the router's own files.
    """

    folder: Path
    name: ClassVar[str] = "local"
    limits: ClassVar[Mapping[str, str]] = LIMITS

    @classmethod
    def connect(cls, settings: Mapping[str, str]) -> LocalTarget:
        """Make the target of a state folder."""
        return cls(Path(settings["state"]).resolve() / "local")

    @property
    @override
    def notes(self) -> FileNotes:
        return FileNotes(self.folder / "notes")

    @property
    @override
    def models(self) -> FolderModels:
        return FolderModels(self.folder / "models")

    @override
    def identity(self) -> str:
        return f"this machine, {self.folder}"

    @override
    def caller(self) -> str:
        # The user as the operating system says.
        return owner.user()

    @override
    def endpoints(self) -> Sequence[str]:
        return tuple(self._order("GET", "")) if daemon.find(self.folder) else ()

    @override
    def upload(self, bundle: Bundle) -> str:
        place = self.folder / "bundles" / names.check("digest", bundle.digest, names.DIGEST)
        with alone(self.folder):
            if not place.exists():
                private_files.folder(place.parent)
                with tempfile.TemporaryDirectory(dir=place.parent) as draft:
                    private_files.copy(bundle.path, Path(draft) / "bundle").rename(place)
        return place.as_uri()

    @override
    def deploy(self, release: Release) -> None:
        bundle = Path(unquote(urlsplit(release.artifact).path))
        if bundle.parent != self.folder / "bundles" or not bundle.is_dir():
            raise NotFoundError(f"there is no bundle at {release.artifact}: upload it first")
        wanted = asdict(replace(release, artifact=bundle.name))
        del wanted["scaling"]
        daemon.up(self.folder)
        self._order("PUT", _place(release.endpoint, "deployments", release.name), wanted)

    @override
    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        """And `limits`."""
        if scaling:
            raise ConfigError(f"[scaling] of {endpoint}/{deployment}: {LIMITS['scaling']}")

    @override
    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        """And `limits`."""
        if count != 1:
            raise ConfigError(f"{count} instances of {endpoint}/{deployment}: {LIMITS['count']}")

    @override
    def describe(self, endpoint: str) -> Endpoint:
        facts = self._order("GET", _place(endpoint))
        deployments = {fact["name"]: _deployment(fact) for fact in facts["deployments"]}
        # The router takes changes at any time, in any state of the model servers.
        shown = Endpoint(endpoint, deployments, facts["traffic"], url=self._url(endpoint))
        return replace(shown, shadow=facts["shadow"])

    @override
    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        self._order("PUT", _place(endpoint, "traffic"), dict(traffic))

    @override
    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        headers = {"content-type": "application/json"}
        headers |= {HEADER: deployment} if deployment else {}
        url = f"{self._url(endpoint)}/invocations"
        answer = send("POST", url, content=body, headers=headers)
        if answer.is_error:
            raise InvokeError(
                f"{endpoint} answered {answer.status_code}: {answer.text}",
                status=answer.status_code,
            )
        return answer.content

    @override
    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        # The router copies, and keeps both answers.
        wanted = {"name": deployment, "percent": percent}
        self._order("PUT", _place(endpoint, "shadow"), wanted)

    @override
    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics:
        # The router's counts; how sure the model was, from its log.
        facts = self._order("GET", _recalled(endpoint, deployment, "metrics", since))
        log = self._log(endpoint, deployment)
        if not log.exists():
            return Metrics(**facts)
        with log.open(errors="replace") as lines:  # most are of single requests
            return with_log(Metrics(**facts), lines, since)

    @override
    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        # The last 100,000 that the router saw.
        facts = self._order("GET", _recalled(endpoint, deployment, "answers", since))
        return tuple(
            Answer(**{**fact, "predictions": tuple(fact["predictions"])}) for fact in facts
        )

    @override
    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        log = self._log(endpoint, deployment)
        if not log.exists():
            return ()
        return tuple(log.read_text(errors="replace").splitlines()[-lines:])

    @override
    def undeploy(self, endpoint: str, deployment: str) -> None:
        if daemon.find(self.folder):
            self._order("DELETE", _place(endpoint, "deployments", deployment))

    @override
    def delete(self, endpoint: str) -> None:
        if daemon.find(self.folder):
            self._order("DELETE", _place(endpoint))

    @override
    def purge(self, endpoint: str) -> None:
        """Remove bundles that no deployment runs; logs, once the endpoint is gone.

        While another endpoint is being changed, no bundle goes: it may be the one that is uploaded
        for it, and not deployed yet. Uploads wait until this is done.
        """
        with alone(self.folder):
            busy = set(lock.busy(self.notes)) - {endpoint}
            running = self._running()
            if endpoint not in running:
                logs = self.folder / "servers" / names.check("endpoint", endpoint)
                shutil.rmtree(logs, ignore_errors=True)
            used = _digests(running)
            for place in (self.folder / "bundles").glob("*"):
                if names.DIGEST.fullmatch(place.name) and place.name not in used and not busy:
                    shutil.rmtree(place)

    @override
    def orphans(self) -> Sequence[Orphan]:
        return tuple(self._remains().found())

    @override
    def discard(self, orphan: Orphan) -> None:
        self._remains().discard(orphan)

    @override
    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        url = f"{self._url(endpoint)}/invocations"
        data = body.decode()
        curl = f"curl -s {url} -H 'Content-Type: application/json' -d {shlex.quote(data)}"
        python = f"import httpx\nprint(httpx.post({url!r}, json={json.loads(body)!r}).json())"
        return {"curl": curl, "python": python}

    def _running(self) -> dict[str, Endpoint]:
        endpoints = {}
        for name in self.endpoints():
            with suppress(NotFoundError):  # deleted meanwhile
                endpoints[name] = self.describe(name)
        return endpoints

    def _remains(self) -> Remains:
        running = self._running()
        return Remains(self.folder, _digests(running), set(running))

    def _log(self, endpoint: str, deployment: str) -> Path:
        names.check("endpoint", endpoint)
        names.check("deployment", deployment)
        return self.folder / "servers" / endpoint / deployment / "server.log"

    def _url(self, endpoint: str) -> str:
        """Return the endpoint's address; raise `NotFoundError` where no router is up."""
        url = daemon.find(self.folder)
        if not url:
            raise NotFoundError(f"no endpoint {endpoint!r} on this machine: no router is up")
        return f"{url}/endpoints/{names.check('endpoint', endpoint)}"

    def _order(self, method: str, place: str, body: Any = None) -> Any:
        return order(self.folder, method, f"/endpoints{place}", body)


def _place(endpoint: str, *words: str) -> str:
    """Return the address of an order below all endpoints."""
    names.check("endpoint", endpoint)
    names.check_all("deployment", words)
    return "/" + "/".join((endpoint, *words))


def _recalled(endpoint: str, deployment: str, what: str, since: datetime) -> str:
    return f"{_place(endpoint, 'deployments', deployment, what)}?since={since.timestamp()!r}"


def _deployment(facts: Mapping[str, Any]) -> Deployment:
    return Deployment(
        name=facts["name"],
        state=State(facts["state"]),
        reason=facts["reason"],
        bundle=facts["bundle"],
        version=facts["version"],
        digest=facts["digest"],
        created=datetime.fromisoformat(facts["created"]),
        restarts=_restarts(facts),
    )


def _restarts(facts: Mapping[str, Any]) -> Restarts | None:
    if not facts["last_exit"]:
        return None
    moment = facts["next_try"]
    next_try = datetime.fromtimestamp(moment, UTC) if moment else None
    return Restarts(facts["restarts"], facts["last_exit"], next_try)


# Requests to the router: orders with its secret, and requests for models.

#: What the router's statuses mean.
KINDS: Mapping[int, type[TargetError]] = {
    404: NotFoundError,
    409: ConflictError,
    503: UnavailableError,
}


def order(folder: Path, method: str, path: str, body: Any = None) -> Any:
    """Give the router that keeps `folder` an order, and return what it answers.

    Parameters
    ----------
    path : str
        E.g. ``"/endpoints/iris/traffic"``.

    Raises
    ------
    NotFoundError
        If no router is up, or there is no such thing.
    TargetError
        If the router refuses.
    """
    url = daemon.find(folder)
    if not url:
        raise NotFoundError(f"nothing is deployed on this machine by {folder}: no router is up")
    headers = {"authorization": f"Bearer {daemon.secret(folder)}"}
    answer = send(method, f"{url}/-{path}", json=body, headers=headers)
    if answer.is_success:
        return answer.json() if answer.content else None
    kind = KINDS.get(answer.status_code, TargetError)
    raise kind(_said(answer), operation=f"router:{method}", code=str(answer.status_code))


def send(method: str, url: str, **content: Any) -> httpx.Response:
    """Send one request to the router.

    Raises
    ------
    UnavailableError
        If it does not answer.
    """
    try:
        return _client().request(method, url, **content)
    except httpx.TransportError as error:
        raise UnavailableError(f"the local router at {url} does not answer: {error}") from error


@cache
def _client() -> httpx.Client:
    # Plain HTTP on the loopback: reading all certificate authorities would take its time.
    return httpx.Client(timeout=90.0, trust_env=False, verify=False)  # noqa: S501


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]


def _digests(running: Mapping[str, Endpoint]) -> set[str]:
    return {
        deployment.digest
        for current in running.values()
        for deployment in current.deployments.values()
    }
