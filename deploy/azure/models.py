"""The registry of models: an Azure ML model for each model, a version of it for each version.

Azure ML numbers versions by whole numbers ("CLI (v2) model YAML schema"), so our version is a
property, as are digest, metrics and lineage: a property, once set, never changes. A decision does,
so the approval is a tag, and its reason the description. Azure ML has no aliases: an alias is a tag
of the model's container, ``alias.<alias>``, with the number as its value; one call moves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from typing_extensions import override

from tridock.deploy.azure.account import Account
from tridock.deploy.azure.bundles import DATASTORE, Bundles
from tridock.deploy.target.errors import NotFoundError, TargetError, UnavailableError
from tridock.deploy.target.model_registry import (
    Approval,
    Models,
    ModelVersion,
    entry,
    find,
    refuse_other,
)
from tridock.inference.bundle.bundle import Bundle

#: A release's models begin otherwise, and no bundle's name has an underscore.
PREFIX = "registered_"
#: Where their files are, in the workspace's default datastore.
FILES = "tridock/registered/"
ALIAS, METRIC, APPROVAL = "alias.", "metric.", "approval"
ALL = "listViewType=All"
_FACTS = ("model", "version", "digest", "data", "source")
_APPROVALS = {one.value: one for one in Approval}


@dataclass(frozen=True)
class AzureModels(Models):
    """The models registered in one workspace."""

    account: Account

    @override
    def names(self) -> Sequence[str]:
        listed = [page["name"] for page in self._pages(f"/models?{ALL}")]
        ours = [name.removeprefix(PREFIX) for name in listed if name.startswith(PREFIX)]
        return sorted(name for name in ours if any(self._entries(name)))

    @override
    def versions(self, model: str) -> Sequence[ModelVersion]:
        # Of two entries of the same version, made at once, the first one counts.
        versions: dict[str, ModelVersion] = {}
        aliases = self._aliases(model)
        for one in self._entries(model):
            versions.setdefault(one.version, one)
        return tuple(
            replace(version, aliases=_of(version.number, aliases))
            for version in reversed(versions.values())
        )

    @override
    def register(self, bundle: Bundle) -> ModelVersion:
        standing = self._standing(bundle)
        folder = f"{FILES}{bundle.digest}/model"
        Bundles(self.account).store(bundle, folder)
        if not standing:
            made = self._enter(entry(bundle, self._address(folder)))
            # What was just made may not be shown yet.
            standing = self._standing(bundle) or [made]
        for again in standing[1:]:
            self.account.call("DELETE", _path(again.model, again.number))
        first = standing[0]
        return replace(first, aliases=_of(first.number, self._aliases(bundle.name)))

    @override
    def approve(self, model: str, version: str, approval: Approval, reason: str) -> None:
        """One call changes tag and description."""
        path = _path(model, self._find(model, version).number)
        properties = self.account.call("GET", path)["properties"]
        properties["tags"] = {**(properties.get("tags") or {}), APPROVAL: approval.value}
        self.account.call("PUT", path, {"properties": {**_sent(properties), "description": reason}})

    @override
    def alias(self, model: str, alias: str, version: str) -> None:
        """One call overwrites the tag."""
        registered = self._find(model, version)
        path = f"/models/{PREFIX}{model}"
        properties = self.account.call("GET", path)["properties"]
        tags = {**(properties.get("tags") or {}), ALIAS + alias: registered.number}
        self.account.call("PUT", path, {"properties": {**_kept(properties), "tags": tags}})

    @override
    def fetch(self, registered: ModelVersion, folder: Path) -> None:
        Bundles(self.account).fetch(registered.artifact.partition("/paths/")[2], folder)

    def _listed(self, model: str) -> list[Any]:
        """Return all versions of a model, oldest first, archived ones too."""
        with suppress(NotFoundError):
            listed = list(self._pages(f"/models/{PREFIX}{model}/versions?{ALL}"))
            numbered = [one for one in listed if one["name"].isdecimal()]
            return sorted(numbered, key=lambda one: int(one["name"]))
        return []

    def _entries(self, model: str) -> Iterator[ModelVersion]:
        """Yield what is entered, oldest first, with what was entered twice."""
        for each in self._listed(model):
            facts = each["properties"].get("properties") or {}
            if facts.keys() >= set(_FACTS[:3]):  # else it belongs to others
                yield _read(each)

    def _standing(self, bundle: Bundle) -> list[ModelVersion]:
        """Return the entries of a bundle's version, the first first."""
        entries = [one for one in self._entries(bundle.name) if one.version == bundle.version]
        if entries:
            refuse_other(entries[0], bundle)
        return entries

    def _find(self, model: str, version: str) -> ModelVersion:
        return find(self._entries(model), model, version, of="the workspace's registry")

    def _aliases(self, model: str) -> Mapping[str, str]:
        """Return the number that each alias names."""
        with suppress(NotFoundError):
            properties = self.account.call("GET", f"/models/{PREFIX}{model}")["properties"]
            tags = (properties.get("tags") or {}).items()
            return {key.removeprefix(ALIAS): at for key, at in tags if key.startswith(ALIAS)}
        return {}

    def _enter(self, version: ModelVersion) -> ModelVersion:
        """Enter a version under the next number.

        Azure ML refuses the number to the second client: its path cannot be changed.
        """
        taken = [int(each["name"]) for each in self._listed(version.model)]
        path = _path(version.model, str(max(taken, default=0) + 1))
        try:
            return _read(self.account.call("PUT", path, {"properties": _properties(version)}))
        except TargetError as error:
            with suppress(NotFoundError):
                if self.account.call("GET", path)["properties"]["modelUri"] != version.artifact:
                    raise UnavailableError(f"{path} was just taken: {error}") from error
            raise

    def _pages(self, path: str) -> Iterator[Any]:
        """Yield a list's records, page by page."""
        properties = self.account.call("GET", path)
        yield from properties["value"]
        while properties.get("nextLink"):
            properties = self.account.follow(properties["nextLink"])
            yield from properties["value"]

    def _address(self, folder: str) -> str:
        """Return a folder of the default datastore as Azure ML names it."""
        place = self.account
        group = f"subscriptions/{place.subscription}/resourcegroups/{place.group}"
        return f"azureml://{group}/workspaces/{place.workspace}{DATASTORE}/paths/{folder}"


def _path(model: str, number: str) -> str:
    return f"/models/{PREFIX}{model}/versions/{number}"


def _of(number: str, aliases: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(alias for alias, at in aliases.items() if at == number))


def _properties(version: ModelVersion) -> dict[str, Any]:
    facts = {name: getattr(version, name) for name in _FACTS}
    metrics = {METRIC + name: repr(value) for name, value in version.metrics.items()}
    return {
        "modelType": "custom_model",
        "modelUri": version.artifact,
        "properties": {name: value for name, value in facts.items() if value} | metrics,
        "tags": {APPROVAL: version.approval.value},
    }


def _read(properties: Mapping[str, Any]) -> ModelVersion:
    given = properties["properties"]
    facts = given.get("properties") or {}
    tags = given.get("tags") or {}
    made = (properties.get("systemData") or {}).get("createdAt")
    return ModelVersion(
        **{name: facts.get(name, "") for name in _FACTS},
        artifact=given["modelUri"],
        number=properties["name"],
        approval=_APPROVALS.get(tags.get(APPROVAL, ""), Approval.PENDING),
        reason=given.get("description") or "",
        metrics={
            key.removeprefix(METRIC): float(value)
            for key, value in facts.items()
            if key.startswith(METRIC)
        },
        created=datetime.fromisoformat(made) if made else None,
    )


def _kept(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a container what a client may send again: the rest is the service's to say."""
    names = ("description", "isArchived", "properties", "tags")
    return {name: properties[name] for name in names if properties.get(name) is not None}


def _sent(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a version what a client may send again."""
    names = ("flavors", "isAnonymous", "jobName", "modelType", "modelUri", "stage")
    return _kept(properties) | {
        name: properties[name] for name in names if properties.get(name) is not None
    }
