"""The registry of models: a Vertex AI Model for each model, a version of it for each version.

What we know of a version is the JSON of its description, the only field of a version that holds
any text and can be changed; aliases are Vertex AI's own. Source:
google/cloud/aiplatform/v1/model_service.proto.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from typing_extensions import override

from tridock.deploy.gcp.account import TIMEOUT_SECONDS, Account
from tridock.deploy.gcp.errors import translated
from tridock.deploy.gcp.registry import HEALTH, PORT, PREDICT, UPLOAD_SECONDS
from tridock.deploy.gcp.store import Store
from tridock.deploy.target.errors import ConfigError, ConflictError, NotFoundError, UnavailableError
from tridock.deploy.target.model_registry import (
    Approval,
    Models,
    ModelVersion,
    entry,
    find,
    from_record,
    record,
    refuse_other,
)
from tridock.inference.bundle.bundle import Bundle

#: An endpoint's own Model has the endpoint's name, which has no underscore.
PREFIX = "registered_"
#: Of a Model's id (model_service.proto, UploadModelRequest).
LONGEST = 63
#: For who looks at the console; their content is in the description, too.
MODEL, APPROVAL = "tridock-model", "tridock-approval"
#: Vertex AI's own alias: exactly one version always has it.
DEFAULT = "default"
_APPROVALS = {one.value: one for one in Approval}


@dataclass(frozen=True)
class GoogleModels(Models):
    """The models registered in one project and location.

    Attributes
    ----------
    store : Store
        Of the bucket that keeps their bundles, beside those of releases.
    image : str
        Of the container that the console would deploy.
    """

    account: Account
    store: Store
    image: str

    @override
    def names(self) -> Sequence[str]:
        with translated("aiplatform:ListModels"):
            listed = self.account.models.list_models(
                parent=self.account.parent, retry=None, timeout=TIMEOUT_SECONDS
            )
            ours = [each for each in listed if _id(each.name).startswith(PREFIX)]
        return sorted(str(each.labels.get(MODEL, "")) or each.display_name for each in ours)

    @override
    def versions(self, model: str) -> Sequence[ModelVersion]:
        # Of two entries of the same version, after a lost answer, the first one counts.
        versions: dict[str, ModelVersion] = {}
        for one in self._entries(model):
            versions.setdefault(one.version, one)
        return tuple(reversed(versions.values()))

    @override
    def register(self, bundle: Bundle) -> ModelVersion:
        if not self.image:
            raise ConfigError("a Vertex AI Model names an image: set image in [gcp]")
        standing = self._standing(bundle)
        artifact = self.store.keep(bundle)
        if not standing:
            made = self._enter(entry(bundle, artifact))
            # What was just made may not be shown yet.
            standing = self._standing(bundle) or [made]
        for again in standing[1:]:
            self._remove(again)
        return standing[0]

    @override
    def approve(self, model: str, version: str, approval: Approval, reason: str) -> None:
        """One call changes label and description."""
        registered = replace(self._find(model, version), approval=approval, reason=reason)
        changed = {
            "name": self._name(model, registered.number),
            "version_description": _text(registered),
            "labels": _labels(registered),
        }
        with translated("aiplatform:UpdateModel"):
            self.account.models.update_model(
                model=changed,
                update_mask={"paths": ["version_description", "labels"]},
                retry=None,
                timeout=TIMEOUT_SECONDS,
            )

    @override
    def alias(self, model: str, alias: str, version: str) -> None:
        """One call takes it from the version that had it."""
        if alias == DEFAULT:
            raise ConfigError(f"the alias {DEFAULT} is Vertex AI's own: choose another")
        registered = self._find(model, version)
        with translated("aiplatform:MergeVersionAliases"):
            self.account.models.merge_version_aliases(
                name=self._name(model, registered.number),
                version_aliases=[alias],
                retry=None,
                timeout=TIMEOUT_SECONDS,
            )

    @override
    def fetch(self, registered: ModelVersion, folder: Path) -> None:
        self.store.fetch(registered.artifact, folder)

    def _listed(self, model: str) -> list[Any]:
        with suppress(NotFoundError), translated("aiplatform:ListModelVersions"):
            return list(
                self.account.models.list_model_versions(
                    name=self._name(model), retry=None, timeout=TIMEOUT_SECONDS
                )
            )
        return []

    def _entries(self, model: str) -> Iterator[ModelVersion]:
        """Yield what is entered, oldest first, with what was entered twice."""
        for each in sorted(self._listed(model), key=lambda each: int(each.version_id)):
            with suppress(NotFoundError):  # neither description nor bundle: not a version of ours
                yield self._read(each)

    def _read(self, model_version: Any) -> ModelVersion:
        described = _told(model_version) or self._from_bundle(model_version)
        aliases = (str(alias) for alias in model_version.version_aliases if alias != DEFAULT)
        return replace(
            described,
            artifact=model_version.artifact_uri,
            number=model_version.version_id,
            aliases=tuple(sorted(aliases)),
            created=model_version.version_create_time,
        )

    def _from_bundle(self, model_version: Any) -> ModelVersion:
        """Read a version from its bundle: its description was overwritten."""
        described = entry(Bundle(Path(), self.store.manifest(model_version.artifact_uri)))
        return replace(
            described, approval=_APPROVALS.get(model_version.labels.get(APPROVAL), Approval.PENDING)
        )

    def _standing(self, bundle: Bundle) -> list[ModelVersion]:
        """Return the entries of a bundle's version, the first first."""
        entries = [one for one in self._entries(bundle.name) if one.version == bundle.version]
        if entries:
            refuse_other(entries[0], bundle)
        return entries

    def _find(self, model: str, version: str) -> ModelVersion:
        return find(self._entries(model), model, version, of="Vertex AI's registry")

    def _enter(self, version: ModelVersion) -> ModelVersion:
        name = self._name(version.model)
        request = {"parent": self.account.parent, "model": _model(version, self.image)}
        if self._listed(version.model):
            request["parent_model"] = name
        else:
            request["model_id"] = _id(name)
        try:
            with translated("aiplatform:UploadModel"):
                begun = self.account.models.upload_model(
                    request=request, retry=None, timeout=TIMEOUT_SECONDS
                )
                model_version = begun.result(timeout=UPLOAD_SECONDS)
        except ConflictError as error:  # by another, or by a try of ours that is not done yet
            if error.code != "ALREADY_EXISTS":
                raise
            raise UnavailableError(f"the model {name} is just being made: {error}") from error
        return replace(version, number=model_version.model_version_id)

    def _remove(self, again: ModelVersion) -> None:
        with suppress(NotFoundError), translated("aiplatform:DeleteModelVersion"):
            self.account.models.delete_model_version(
                name=self._name(again.model, again.number), retry=None, timeout=TIMEOUT_SECONDS
            ).result(timeout=UPLOAD_SECONDS)

    def _name(self, model: str, number: str = "") -> str:
        name = f"{self.account.parent}/models/{model_id(model)}"
        return f"{name}@{number}" if number else name


def model_id(model: str) -> str:
    """Return the id of a registered model: long names are cut, and a digest distinguishes them."""
    whole = PREFIX + model
    if len(whole) <= LONGEST:
        return whole
    mark = "_" + hashlib.sha256(model.encode()).hexdigest()[:12]
    return whole[: LONGEST - len(mark)] + mark


def _id(name: str) -> str:
    return name.rpartition("/")[2].partition("@")[0]


def _text(version: ModelVersion) -> str:
    known = {**record(version), "artifact": "", "number": "", "aliases": [], "created": None}
    return json.dumps({name: value for name, value in known.items() if value}, ensure_ascii=False)


def _told(model_version: Any) -> ModelVersion | None:
    """Read a version's description; None if it is not one of ours any more."""
    empty = record(ModelVersion("", "", ""))
    try:
        described = from_record({**empty, **json.loads(model_version.version_description)})
    except (ValueError, TypeError, KeyError):
        return None
    return described if described.digest else None


def _labels(version: ModelVersion) -> dict[str, str]:
    return {MODEL: version.model, APPROVAL: version.approval.value}


def _model(version: ModelVersion, image: str) -> dict[str, Any]:
    return {
        "display_name": version.model,
        "artifact_uri": version.artifact,
        "labels": _labels(version),
        "version_description": _text(version),
        "container_spec": {
            "image_uri": image,
            "health_route": HEALTH,
            "predict_route": PREDICT,
            "ports": [{"container_port": PORT}],
        },
    }
