"""What a Model has as a whole, and what each of its versions has for itself.

Labels are of both, and shown merged. Source: UpdateModelRequest in
google/cloud/aiplatform/v1/model_service.proto.
"""

from __future__ import annotations

from collections.abc import Collection

from tridock.emulators.gcp.protocol import masks
from tridock.emulators.gcp.protocol.errors import FailedPreconditionError
from tridock.emulators.gcp.protocol.names import Record, touch

_OF_MODEL = ("displayName", "description", "labels")
_OF_VERSION = ("versionDescription", "explanationSpec", "labels")
#: The Model's own labels, as each of its versions keeps them.
_WHOLE = "modelLabels"


def shown(version: Record) -> Record:
    """Return a version as clients see it."""
    hidden = (_WHOLE, "_artifacts")
    found = {key: value for key, value in version.items() if key not in hidden}
    labels = version.get(_WHOLE, {}) | version.get("labels", {})
    return found | ({"labels": labels} if labels else {})


def shared(version: Record) -> Record:
    """Return what a new version has from one that stands."""
    keys = ("displayName", "createTime", _WHOLE)
    return {key: version[key] for key in keys if key in version}


def version_changed(version: Record, sent: Record, mask: str) -> Record:
    """Return a version with its own fields changed.

    Raises
    ------
    FailedPreconditionError
        If the mask names a field of the Model as a whole.
    """
    found = _changed(version, sent, mask, _OF_VERSION)
    return found | {"versionUpdateTime": found["updateTime"]}


def model_changed(version: Record, sent: Record, mask: str) -> Record:
    """Return a version with the fields of its Model changed.

    Raises
    ------
    FailedPreconditionError
        If the mask names a field that each version has for itself.
    """
    found = _changed(version | {"labels": version.get(_WHOLE, {})}, sent, mask, _OF_MODEL)
    whole = {_WHOLE: found.get("labels", {})}
    return found | whole | {"labels": version.get("labels", {})}


def _changed(version: Record, sent: Record, mask: str, allowed: Collection[str]) -> Record:
    known = {*_OF_MODEL, *_OF_VERSION}
    strange = [path for path in mask.split(",") if path in known - set(allowed)]
    if strange:
        raise FailedPreconditionError(
            f"Field {strange[0]} cannot be updated by the name {sent['name']}: fields of a Model "
            "are updated by its name, fields of a version by the name with @ and the version id."
        )
    return touch(masks.merge(version, sent, mask=mask, allowed=allowed))
