"""Bundles as registered models: one version for each digest, with marks that say who uses it.

A model's version bears a tag ``used-by-<endpoint>`` for each endpoint that runs it. A version
without such tags is unused yet: it was uploaded, and not deployed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Model

from tridock.deploy.azure.account import Account
from tridock.deploy.azure.bundles import DATASTORE, Bundles
from tridock.deploy.azure.errors import translated
from tridock.deploy.target.errors import ConflictError, NotFoundError
from tridock.inference.bundle.bundle import Bundle

#: Names of our models begin so: `Store.release` looks at no others.
PREFIX = "tridock-"
MARK = "used-by-"
#: Of a version, where a service counts in 32 bits.
LARGEST = 2**31 - 1
#: Where their files are, in the workspace's default datastore.
FILES = "tridock/models/"


@dataclass(frozen=True)
class Store:
    """The models of one workspace."""

    account: Account

    def upload(self, bundle: Bundle) -> str:
        """Register a bundle under its digest, unless it is there, and return its name.

        Its files are stored by ourselves: the SDK's upload waits forever for what one before it,
        which was cut short, has left.
        """
        name, version = f"{PREFIX}{bundle.name}", _version(bundle)
        folder = f"{FILES}{bundle.digest}/model"
        Bundles(self.account).store(bundle, folder)
        standing = self._find(name, version)
        if standing is not None and standing.tags.get("digest") != bundle.digest:
            raise ConflictError(f"{name}:{version} holds another bundle: package this one again")
        if standing is None:
            model = Model(
                name=name,
                version=version,
                path=f"{self._address()}/paths/{folder}",
                type=AssetTypes.CUSTOM_MODEL,
                tags={"digest": bundle.digest, "version": bundle.version},
            )
            with translated("models:createOrUpdate"):
                self.account.client.models.create_or_update(model)
        return f"azureml:{name}:{version}"

    def mark(self, artifact: str, endpoint: str) -> None:
        """Note that `endpoint` uses a model.

        Raises
        ------
        NotFoundError
            If it is not registered.
        """
        _, name, version = artifact.split(":")
        model = self._find(name, version)
        if model is None:
            raise NotFoundError(f"there is no model {artifact} in the workspace: upload it first")
        if MARK + endpoint not in model.tags:
            model.tags = {**model.tags, MARK + endpoint: "1"}
            with translated("models:createOrUpdate"):
                self.account.client.models.create_or_update(model)

    def release(self, endpoint: str, used: Collection[str]) -> None:
        """Remove the marks of `endpoint` on models whose digest is not in `used`.

        Models that lose their last mark by that go with it, and their files.
        """
        for model in list(self._marked(endpoint)):
            if model.tags.get("digest") in used:
                continue
            others = {name for name in model.tags if name.startswith(MARK)} - {MARK + endpoint}
            if others:
                self.unmark(model, endpoint)
            else:
                self.remove(model)

    def unmark(self, model: Any, endpoint: str) -> None:
        """Note that `endpoint` uses a model no more."""
        model.tags = {name: tag for name, tag in model.tags.items() if name != MARK + endpoint}
        with translated("models:createOrUpdate"):
            self.account.client.models.create_or_update(model)

    def remove(self, model: Any) -> None:
        """Delete a version's files and then itself: the SDK can only archive it, which keeps them.

        While it exists, the next run finds it again.
        """
        folder = model.path.partition("/paths/")[2].rstrip("/")
        Bundles(self.account).remove(folder)
        with suppress(NotFoundError):
            self.account.call("DELETE", f"/models/{model.name}/versions/{model.version}")

    def _marked(self, endpoint: str) -> Iterator[Any]:
        models = self.account.client.models
        with translated("models:list"):
            names = [one.name for one in models.list() if one.name.startswith(PREFIX)]
            for name in names:
                for model in models.list(name):
                    if MARK + endpoint in (model.tags or {}):
                        yield model

    def _find(self, name: str, version: str) -> Any:
        try:
            with translated("models:get"):
                return self.account.client.models.get(name, version)
        except NotFoundError:
            return None

    def _address(self) -> str:
        """Return the default datastore as Azure ML names it in paths."""
        place = self.account
        group = f"subscriptions/{place.subscription}/resourcegroups/{place.group}"
        return f"azureml://{group}/workspaces/{place.workspace}{DATASTORE}"


def _version(bundle: Bundle) -> str:
    """Name a version by its content; a model's version is a whole number, its own label a tag.

    Source: "CLI (v2) model YAML schema", Azure Machine Learning documentation.
    """
    return str(int(bundle.digest[:8], 16) % LARGEST + 1)
