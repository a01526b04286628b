"""ModelService: the registry of models, their versions and aliases."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.operations import EMPTY, Kind, Progress
from tridock.emulators.gcp.protocol import limits, listing, masks
from tridock.emulators.gcp.protocol.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from tridock.emulators.gcp.protocol.names import Record, canonical, location_of, new_id, now, touch
from tridock.emulators.gcp.state.trash import remove
from tridock.emulators.gcp.storage.errors import StorageError

#: Durations of the service, in its seconds.
UPLOAD_SECONDS = 20.0
V1 = "google.cloud.aiplatform.v1"
_UPLOADING = Kind(f"{V1}.UploadModelOperationMetadata")
DELETING = Kind(f"{V1}.DeleteOperationMetadata")
_OUTPUT = ("createTime", "updateTime", "versionId", "deployedModels", "etag", "name")


def upload(cloud: Cloud, request: Record) -> Record:
    """``UploadModel``: register a version; its artifact is copied, as the real service does."""
    model = {key: value for key, value in request["model"].items() if key not in _OUTPUT}
    _check(model)
    parent = canonical(request.get("parentModel", ""))
    if parent:
        find(cloud, parent)
    limits.check_model_id(request.get("modelId", ""))
    name = parent or f"{canonical(request['parent'])}/models/{request.get('modelId') or new_id()}"
    if not parent:
        _refuse_known(cloud, name)
    arguments = {"name": name, "model": model, "is_version": bool(parent)}
    return cloud.operations.begin(name, _UPLOADING, "models.upload", arguments)


def _upload(cloud: Cloud, progress: Progress, arguments: Record) -> None:
    progress.wait(UPLOAD_SECONDS)
    # A folder of its own: uploads of one name at once, refused and killed ones share none.
    folder = cloud.place.folder / "artifacts" / uuid.uuid4().hex
    try:
        _copy(cloud, arguments["model"].get("artifactUri", ""), folder)
        progress.finish(partial(_register, cloud, arguments, folder.name))
    except BaseException:
        remove(folder)
        raise


def get(cloud: Cloud, request: Record) -> Record:
    """``GetModel``: one version, by number or alias; the default one if none is named."""
    shown = _shown(cloud, find(cloud, request["name"]))
    return _numbered(shown) if "@" in request["name"] else shown


def list_(cloud: Cloud, request: Record) -> Record:
    """``ListModels``: the default version of each model."""
    parent = canonical(request["parent"])
    names = [n for n in cloud.models if n.startswith(f"{parent}/models/")]
    shown = [_shown(cloud, find(cloud, name)) for name in names]
    return dict(listing.answer("models", reversed(shown), request))


def list_versions(cloud: Cloud, request: Record) -> Record:
    """``ListModelVersions``: newest first, each with its number in its name."""
    name = find(cloud, request["name"].partition("@")[0])["name"]
    versions = [_numbered(_shown(cloud, version)) for version in cloud.models[name].values()]
    return dict(listing.answer("models", reversed(versions), request))


def update(cloud: Cloud, request: Record) -> Record:
    """``UpdateModel``: change the masked fields of one version, or of the Model as a whole."""
    sent, mask = request["model"], request["updateMask"]
    limits.check_labels(sent, "model")
    limits.check_display_name(sent, "model")
    base, _, wanted = sent["name"].partition("@")
    with cloud.lock:
        if wanted not in ("", "-"):
            version = find(cloud, sent["name"])
            _replace(version, version_changed(version, sent, mask))
            return _numbered(_shown(cloud, version))
        for version in cloud.models[find(cloud, base)["name"]].values():
            _replace(version, model_changed(version, sent, mask))
        return _shown(cloud, find(cloud, base))


def merge_aliases(cloud: Cloud, request: Record) -> Record:
    """``MergeVersionAliases``: move aliases here; ``-alias`` takes one away."""
    aliases = request["versionAliases"]
    if "@" not in request["name"]:
        raise InvalidArgumentError(f"The name {request['name']} has no version ID.")
    limits.check_aliases(alias.removeprefix("-") for alias in aliases)
    if "-default" in aliases:
        raise InvalidArgumentError("The default alias can only be moved to another version.")
    with cloud.lock:
        version = find(cloud, request["name"])
        for alias in aliases:
            _unalias(cloud.models[version["name"]], alias.removeprefix("-"))
            if not alias.startswith("-"):
                version["versionAliases"].append(alias)
        return _numbered(_shown(cloud, touch(version)))


def delete(cloud: Cloud, request: Record) -> Record:
    """``DeleteModel``: all versions, unless one is deployed."""
    with cloud.lock:
        name = find(cloud, request["name"])["name"]
        refs = [ref for version in cloud.models[name].values() for ref in deployed(cloud, version)]
        _refuse_deployed(name, refs)
        for version in cloud.models.pop(name).values():
            cloud.state.later(partial(remove, cloud.artifacts(version)))
    return cloud.operations.finished(location_of(name), DELETING, EMPTY)


def delete_version(cloud: Cloud, request: Record) -> Record:
    """``DeleteModelVersion``: not the only one, not the default one, none that is deployed."""
    with cloud.lock:
        version = find(cloud, request["name"])
        name, number = version["name"], version["versionId"]
        if len(cloud.models[name]) == 1:
            raise FailedPreconditionError(
                f"Model version {name}@{number} is the only version of the Model. "
                "Use DeleteModel for deleting the Model instead."
            )
        if "default" in version["versionAliases"]:
            raise FailedPreconditionError(
                f"Model version {name}@{number} is the default version and cannot be deleted."
            )
        _refuse_deployed(f"{name}@{number}", list(deployed(cloud, version)))
        del cloud.models[name][number]
        cloud.state.later(partial(remove, cloud.artifacts(version)))
    return cloud.operations.finished(location_of(name), DELETING, EMPTY)


def find(cloud: Cloud, name: str) -> Record:
    """Return the version that a name with or without ``@version`` means.

    Raises
    ------
    NotFoundError
        If there is no such model or version.
    """
    base, _, wanted = canonical(name).partition("@")
    versions = cloud.models.get(base)
    if not versions:
        raise NotFoundError(f"The Model does not exist: {base}")
    for version in versions.values():
        if (wanted or "default") in (version["versionId"], *version["versionAliases"]):
            return version
    raise NotFoundError(f"The Model version does not exist: {base}@{wanted}")


def deployed(cloud: Cloud, version: Record) -> Iterator[Record]:
    """Yield where a version is deployed."""
    for endpoint in cloud.endpoints.values():
        for item in endpoint.get("deployedModels", []):
            if (item["model"], item["modelVersionId"]) == (version["name"], version["versionId"]):
                yield {"endpoint": endpoint["name"], "deployedModelId": item["id"]}


def _check(model: Record) -> None:
    limits.check_labels(model, "model")
    limits.check_display_name(model, "model")
    limits.check_aliases(model.get("versionAliases", []))
    if "containerSpec" not in model:
        raise InvalidArgumentError(
            "List of found errors:\t1.Field: model.container_spec; "
            "Message: Required for a Model that is not trained by Vertex AI.\t"
        )
    limits.check_image(model["containerSpec"]["imageUri"])


def _register(cloud: Cloud, arguments: Record, folder: str) -> Record:
    """Add a version, whose artifacts are in `folder`, and return the operation's response."""
    name, model = arguments["name"], arguments["model"] | {"_artifacts": folder}
    if arguments["is_version"]:
        find(cloud, name)
    else:
        _refuse_known(cloud, name)
    versions = cloud.models.setdefault(name, {})
    number = str(max((int(n) for n in versions), default=0) + 1)
    aliases = list(model.get("versionAliases", []))
    if not versions and "default" not in aliases:
        aliases.append("default")
    for alias in aliases:
        _unalias(versions, alias)
    made = _version(name, number, model | {"versionAliases": aliases})
    known = next(iter(versions.values()), {})
    versions[number] = made | shared(known)
    kind = f"type.googleapis.com/{V1}.UploadModelResponse"
    return {"@type": kind, "model": name, "modelVersionId": number}


def _refuse_known(cloud: Cloud, name: str) -> None:
    if name in cloud.models:
        raise AlreadyExistsError(f"Model {name} already exists.")


def _copy(cloud: Cloud, uri: str, folder: Path) -> None:
    """Copy the objects of an artifact URI, which may be empty, into a folder."""
    bucket = uri.removeprefix("gs://").partition("/")[0]
    try:
        folder.mkdir(parents=True)
        is_known = uri.startswith("gs://") and bucket in cloud.store.buckets
        if uri and not (is_known and cloud.store.copy_to(uri, folder)):
            raise FailedPreconditionError(f"There are no files under the artifact URI {uri}.")
    except (OSError, StorageError) as error:
        raise UnavailableError(f"The artifact {uri} cannot be copied: {error}") from error


def _version(name: str, number: str, model: Record) -> Record:
    time = now()
    return touch(
        model
        | {
            "name": name,
            "versionId": number,
            "versionCreateTime": time,
            "versionUpdateTime": time,
            "createTime": time,
            "supportedDeploymentResourcesTypes": ["DEDICATED_RESOURCES"],
            "supportedInputStorageFormats": ["jsonl", "csv", "bigquery", "file-list"],
            "supportedOutputStorageFormats": ["jsonl", "bigquery"],
            "modelSourceInfo": {"sourceType": "CUSTOM"},
        }
    )


def _unalias(versions: Mapping[str, Record], alias: str) -> None:
    for version in versions.values():
        if alias in version.get("versionAliases", []):
            version["versionAliases"].remove(alias)


def _replace(version: Record, changed: Record) -> None:
    version.clear()
    version.update(changed)


def _shown(cloud: Cloud, version: Record) -> Record:
    refs = list(deployed(cloud, version))
    return shown(version) | ({"deployedModels": refs} if refs else {})


def _numbered(shown: Record) -> Record:
    return shown | {"name": f"{shown['name']}@{shown['versionId']}"}


def _refuse_deployed(name: str, refs: list[Record]) -> None:
    if refs:
        where = ", ".join(f"{ref['endpoint']} (id {ref['deployedModelId']})" for ref in refs)
        raise FailedPreconditionError(
            f"The Model {name} is deployed or being deployed at the following Endpoint(s): {where}."
        )


HANDLERS: Mapping[str, Handler] = {
    "ModelService.UploadModel": upload,
    "ModelService.GetModel": get,
    "ModelService.ListModels": list_,
    "ModelService.ListModelVersions": list_versions,
    "ModelService.UpdateModel": update,
    "ModelService.MergeVersionAliases": merge_aliases,
    "ModelService.DeleteModel": delete,
    "ModelService.DeleteModelVersion": delete_version,
}

WORKS = {"models.upload": _upload}


# What a Model has as a whole, and what each of its versions has for itself.

_OF_MODEL = ("displayName", "description", "labels")
_OF_VERSION = ("versionDescription", "explanationSpec", "labels")
#: The Model's own labels, as each of its versions keeps them.
_WHOLE = "modelLabels"


def shown(version: Record) -> Record:
    """Return a version as clients see it."""
    hidden = (_WHOLE, "_artifacts")
    visible = {key: value for key, value in version.items() if key not in hidden}
    labels = version.get(_WHOLE, {}) | version.get("labels", {})
    return visible | ({"labels": labels} if labels else {})


def shared(version: Record) -> Record:
    """Return what a new version takes from an existing one."""
    keys = ("displayName", "createTime", _WHOLE)
    return {key: version[key] for key in keys if key in version}


def version_changed(version: Record, sent: Record, mask: str) -> Record:
    """Return a version with its own fields changed.

    Raises
    ------
    FailedPreconditionError
        If the mask names a field of the Model as a whole.
    """
    changed = _changed(version, sent, mask, _OF_VERSION)
    return changed | {"versionUpdateTime": changed["updateTime"]}


def model_changed(version: Record, sent: Record, mask: str) -> Record:
    """Return a version with the fields of its Model changed.

    Raises
    ------
    FailedPreconditionError
        If the mask names a field that each version has for itself.
    """
    changed = _changed(version | {"labels": version.get(_WHOLE, {})}, sent, mask, _OF_MODEL)
    whole = {_WHOLE: changed.get("labels", {})}
    return changed | whole | {"labels": version.get("labels", {})}


def _changed(version: Record, sent: Record, mask: str, allowed: Collection[str]) -> Record:
    known = {*_OF_MODEL, *_OF_VERSION}
    strange = [path for path in mask.split(",") if path in known - set(allowed)]
    if strange:
        raise FailedPreconditionError(
            f"Field {strange[0]} cannot be updated by the name {sent['name']}: fields of a Model "
            "are updated by its name, fields of a version by the name with @ and the version id."
        )
    return touch(masks.merge(version, sent, mask=mask, allowed=allowed))
