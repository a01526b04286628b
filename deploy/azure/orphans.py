"""Orphans in a Machine Learning workspace: resources with our marks that serve nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tridock.deploy.azure.account import Account
from tridock.deploy.azure.blobs import FILES_OF, grouped
from tridock.deploy.azure.bundles import Bundles
from tridock.deploy.azure.errors import translated
from tridock.deploy.azure.store import FILES, MARK, PREFIX, Store
from tridock.deploy.azure.translation import TAG
from tridock.deploy.target.errors import ConflictError, NotFoundError
from tridock.deploy.target.records import Orphan

USE, MODEL, ENVIRONMENT = "mark of use", "model version", "environment version"
BUNDLE = "stored bundle"

DIGEST = re.compile(r"[0-9a-f]{64}")
#: How deployments name what they use: by an id of Resource Manager, or shortly.
LONG = re.compile(r"/(?:models|environments)/([^/]+)/versions/([^/]+)$")
SHORT = re.compile(r"azureml:([^:/]+):([^:/]+)$")


@dataclass(frozen=True)
class Running:
    """Assets that the deployments of a workspace use, by any author.

    Attributes
    ----------
    digests : dict
        Of bundles, by endpoint of ours.
    used : set
        Models and environments, ``name:version``.
    """

    digests: dict[str, set[str]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def stale(self, model: Any) -> list[str]:
        """Return the endpoints that a model is marked by and that do not run it any more."""
        marked = [tag.removeprefix(MARK) for tag in model.tags if tag.startswith(MARK)]
        digest = model.tags["digest"]
        return sorted(name for name in marked if digest not in self.digests.get(name, ()))

    def runs(self, model: Any) -> bool:
        """Tell whether a deployment runs a model."""
        marks = sum(tag.startswith(MARK) for tag in model.tags)
        return f"{model.name}:{model.version}" in self.used or marks > len(self.stale(model))


@dataclass(frozen=True)
class Remains:
    """Orphans of one workspace."""

    account: Account
    store: Store

    def found(self) -> Iterator[Orphan]:
        """Yield all of it: marks, models, environments, files of models that are not entered."""
        models, running = list(self._models()), self._running()
        for model in models:
            yield from self._of(model, running)
        for environment in self._environments():
            if _short(environment) not in running.used:
                made = datetime.fromisoformat(environment["systemData"]["createdAt"])
                yield Orphan(ENVIRONMENT, _short(environment), "", made, "no deployment runs in it")
        yield from self._files({model.tags["digest"] for model in models})

    def discard(self, orphan: Orphan) -> None:
        """Delete one."""
        kinds = {USE: self._end_use, MODEL: self._end_model}
        kinds |= {ENVIRONMENT: self._end_environment, BUNDLE: self._end_files}
        kinds[orphan.kind](orphan)

    @staticmethod
    def _of(model: Any, running: Running) -> Iterator[Orphan]:
        name, made = f"{model.name}:{model.version}", _made(model)
        for endpoint in running.stale(model):
            yield Orphan(USE, f"{name}/{endpoint}", endpoint, made, f"{endpoint} runs it no more")
        if not running.runs(model):
            yield Orphan(MODEL, name, "", made, "no deployment runs it")

    def _files(self, entered: set[str]) -> Iterator[Orphan]:
        """Yield what was uploaded, perhaps in part, and never became a model."""
        with Bundles(self.account).container("blobs:list") as container:
            groups = grouped(container.list_blobs(name_starts_with=FILES), FILES)
        for digest, blobs in groups.items():
            if digest not in entered:
                made = min(blob.last_modified for blob in blobs)
                yield Orphan(BUNDLE, digest, "", made, "an upload was cut short")

    def _end_use(self, orphan: Orphan) -> None:
        name, _, endpoint = orphan.name.partition("/")
        model = self._model(name)
        if model is not None and MARK + endpoint in model.tags:
            _refuse_used(orphan, endpoint not in self._running().stale(model))
            self.store.unmark(model, endpoint)

    def _end_model(self, orphan: Orphan) -> None:
        model = self._model(orphan.name)
        if model is not None:
            marked = any(tag.startswith(MARK) for tag in model.tags)
            _refuse_used(orphan, marked or self._running().runs(model))
            self.store.remove(model)

    def _end_environment(self, orphan: Orphan) -> None:
        _refuse_used(orphan, orphan.name in self._running().used)
        name, _, version = orphan.name.partition(":")
        with suppress(NotFoundError):
            self.account.call("DELETE", f"/environments/{name}/versions/{version}")

    def _end_files(self, orphan: Orphan) -> None:
        _refuse_used(orphan, orphan.name in {model.tags["digest"] for model in self._models()})
        Bundles(self.account).remove(f"{FILES}{orphan.name}/{FILES_OF}")

    def _models(self) -> Iterator[Any]:
        models = self.account.client.models
        with translated("models:list"):
            names = [one.name for one in models.list() if one.name.startswith(PREFIX)]
            every = [each for name in names for each in models.list(name)]
        yield from (each for each in every if DIGEST.fullmatch((each.tags or {}).get("digest", "")))

    def _model(self, name: str) -> Any:
        return next(
            (model for model in self._models() if f"{model.name}:{model.version}" == name), None
        )

    def _environments(self) -> list[Any]:
        with suppress(NotFoundError):
            listed: list[Any] = self.account.call("GET", f"/environments/{TAG}/versions")["value"]
            return listed
        return []

    def _running(self) -> Running:
        """Read all deployments, those of others and those for batches included."""
        running, client = Running(), self.account.client
        with translated("onlineDeployments:list"):
            for endpoint in client.online_endpoints.list():
                for one in client.online_deployments.list(endpoint.name):
                    running.used.update(_used(one))
                    digest = (one.tags or {}).get("digest", "")
                    running.digests.setdefault(endpoint.name, set()).add(digest)
        with translated("batchDeployments:list"):
            for batch in client.batch_endpoints.list():
                for each in client.batch_deployments.list(batch.name):
                    running.used.update(_used(each))
        return running


def _used(deployment: Any) -> Iterator[str]:
    for reference in (deployment.model, deployment.environment):
        named = LONG.search(str(reference)) or SHORT.search(str(reference))
        if named:
            yield f"{named[1]}:{named[2]}"


def _short(environment: Any) -> str:
    return f"{TAG}:{environment['name']}"


def _made(model: Any) -> datetime | None:
    created = getattr(model.creation_context, "created_at", None)
    return datetime.fromisoformat(created) if isinstance(created, str) else created


def _refuse_used(orphan: Orphan, used: bool) -> None:
    if used:
        raise ConflictError(f"{orphan} is used again")
