"""The registry of models: versions, what is known of each, who approved it, and their aliases."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tridock.deploy.target.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from tridock.inference.bundle.bundle import Bundle


class Approval(enum.Enum):
    """Approval of a version for live accounts."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of a model.

    Attributes
    ----------
    model, version, digest : str
        The bundle's name, version and digest.
    artifact : str
        URI of the stored bundle.
    number : str
        What the cloud itself calls the version.
    approval : Approval
        Its present approval.
    reason : str
        Who decided, when and why, in at most 512 characters; empty before that.
    aliases : tuple of str
        In alphabetical order.
    metrics : Mapping[str, float]
        Held-out measures at packaging, by name.
    data : str
        Hex SHA-256 of the training data; empty where unknown.
    source : str
        Commit the model was made from; empty where there was none.
    created : datetime or None
        When it was registered, with a time zone. None if the cloud does not say.
    """

    model: str
    version: str
    digest: str
    artifact: str = ""
    number: str = ""
    approval: Approval = Approval.PENDING
    reason: str = ""
    aliases: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    data: str = ""
    source: str = ""
    created: datetime | None = None


def entry(bundle: Bundle, artifact: str = "") -> ModelVersion:
    """Return what a registry is to know of a bundle that is new to it."""
    manifest = bundle.manifest
    measured = manifest.metrics.items()
    return ModelVersion(
        bundle.name,
        bundle.version,
        bundle.digest,
        artifact,
        metrics={name: value for name, value in measured if value is not None},
        data=manifest.training.digest if manifest.training else "",
        source=manifest.commit or "",
    )


def find(versions: Iterable[ModelVersion], model: str, version: str, *, of: str) -> ModelVersion:
    """Return a version of a model; raise `NotFoundError` if the registry `of` a place lacks it."""
    for one in versions:
        if one.version == version:
            return one
    raise NotFoundError(f"no model {model} {version} in {of}")


def refuse_other(registered: ModelVersion, bundle: Bundle) -> None:
    """Raise `ConflictError` if another bundle is registered as this model and version."""
    if registered.digest != bundle.digest:
        raise ConflictError(
            f"{bundle.name} {bundle.version} is registered with the digest "
            f"{registered.digest[:12]}…, not {bundle.digest[:12]}…: package it as another version"
        )


def record(version: ModelVersion) -> dict[str, Any]:
    """Return a version as JSON-ready values."""
    return {
        **asdict(version),
        "approval": version.approval.value,
        "aliases": list(version.aliases),
        "metrics": dict(version.metrics),
        "created": version.created.isoformat() if version.created else None,
    }


def from_record(values: Mapping[str, Any]) -> ModelVersion:
    """Read what `record` wrote."""
    created = values["created"]
    return ModelVersion(
        **{
            **values,
            "approval": Approval(values["approval"]),
            "aliases": tuple(values["aliases"]),
            "created": datetime.fromisoformat(created) if created else None,
        }
    )


class Models(Protocol):
    """A target's registry of models, in the cloud's own.

    Adapters translate and do no more. Each verb may be called again after it was cut short
    anywhere, and then ends in the same state. ``tests/contract`` states what each must do.
    """

    def names(self) -> Sequence[str]:
        """Return the models that have versions, in alphabetical order."""
        ...

    def versions(self, model: str) -> Sequence[ModelVersion]:
        """Return the versions of a model, newest first; none of a model that is not there."""
        ...

    def register(self, bundle: Bundle) -> ModelVersion:
        """Store a bundle and enter it, pending. The same bundle again changes nothing.

        What is stored stays after any release, purge or deletion. A `ConflictError` if the
        version exists with another digest: a version, once registered, never changes.
        """
        ...

    def approve(self, model: str, version: str, approval: Approval, reason: str) -> None:
        """Set a version's approval; raise `NotFoundError` if there is no such version."""
        ...

    def alias(self, model: str, alias: str, version: str) -> None:
        """Let an alias name this version, and no other; raise `NotFoundError` if it is not there.

        At no moment the alias names nothing, if it named something before.
        """
        ...

    def fetch(self, registered: ModelVersion, folder: Path) -> None:
        """Copy a version's bundle, as it was registered, into a folder that is empty or not there.

        A copy that failed leaves nothing there; `inference.bundle.replaced` sees to that. Raises
        `NotFoundError` if what was stored is gone.
        """
        ...
