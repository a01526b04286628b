"""The registry of models as a folder of this machine.

``<model>/versions/<version>/`` holds ``bundle/`` and ``version.json``; beside ``versions`` stands
``aliases.json``.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deploy.errors import ConflictError, NotFoundError
from deploy.local.gate import alone, put
from deploy.models import Approval, ModelVersion, entry, from_record, record
from inference.bundle import Bundle, replaced

DRAFT = ".draft-"


@dataclass(frozen=True)
class FolderModels:
    """The models in one folder.

    Attributes
    ----------
    folder : Path
        Made when the first model is registered.
    """

    folder: Path

    def names(self) -> Sequence[str]:
        """See `Models.names`."""
        found = self.folder.glob("[!.]*/versions/*/version.json")
        return sorted({path.parents[2].name for path in found})

    def versions(self, model: str) -> Sequence[ModelVersion]:
        """See `Models.versions`."""
        aliases = self._aliases(model)
        found = [_read(path) for path in self._versions(model).glob("[!.]*/version.json")]
        named = [
            replace(one, aliases=tuple(sorted(a for a, at in aliases.items() if at == one.version)))
            for one in found
        ]
        return tuple(sorted(named, key=lambda one: int(one.number), reverse=True))

    def register(self, bundle: Bundle) -> ModelVersion:
        """See `Models.register`."""
        with alone(self.folder):
            standing = {one.version: one for one in self.versions(bundle.name)}
            found = standing.get(bundle.version)
            if found is None:
                return self._enter(bundle, str(len(standing) + 1))
        if found.digest != bundle.digest:
            raise ConflictError(
                f"{bundle.name} {bundle.version} is registered with the digest "
                f"{found.digest[:12]}…, not {bundle.digest[:12]}…: package it as another version"
            )
        return found

    def approve(self, model: str, version: str, approval: Approval, reason: str) -> None:
        """See `Models.approve`."""
        with alone(self.folder):
            found = self._find(model, version)
            self._write(self._place(found), replace(found, approval=approval, reason=reason))

    def alias(self, model: str, alias: str, version: str) -> None:
        """See `Models.alias`."""
        with alone(self.folder):
            self._find(model, version)
            aliases = {**self._aliases(model), alias: version}
            put(self.folder / model / "aliases.json", json.dumps(aliases).encode())

    def fetch(self, found: ModelVersion, folder: Path) -> None:
        """See `Models.fetch`."""
        bundle = self._place(found) / "bundle"
        if not bundle.is_dir():
            raise NotFoundError(f"the bundle of {found.model} {found.version} is gone: {bundle}")
        with replaced(folder) as draft:
            shutil.copytree(bundle, draft, dirs_exist_ok=True)

    def _enter(self, bundle: Bundle, number: str) -> ModelVersion:
        """Make a version's folder and let it appear at once."""
        for stale in self.folder.glob(f"{DRAFT}*"):  # of a process that was killed: we are alone
            shutil.rmtree(stale)
        place = self._versions(bundle.name) / bundle.version
        made = entry(bundle, (place / "bundle").as_uri())
        made = replace(made, number=number, created=datetime.now(UTC))
        with tempfile.TemporaryDirectory(prefix=DRAFT, dir=self.folder) as scratch:
            draft = Path(scratch) / "version"
            shutil.copytree(bundle.path, draft / "bundle")
            self._write(draft, made)
            place.parent.mkdir(parents=True, exist_ok=True)
            draft.rename(place)
        return made

    def _find(self, model: str, version: str) -> ModelVersion:
        for one in self.versions(model):
            if one.version == version:
                return one
        raise NotFoundError(f"no model {model} {version} in {self.folder}")

    def _aliases(self, model: str) -> dict[str, str]:
        path = self.folder / model / "aliases.json"
        return dict(json.loads(path.read_bytes())) if path.exists() else {}

    def _versions(self, model: str) -> Path:
        return self.folder / model / "versions"

    def _place(self, one: ModelVersion) -> Path:
        return self._versions(one.model) / one.version

    def _write(self, place: Path, one: ModelVersion) -> None:
        told = record(replace(one, aliases=()))
        put(place / "version.json", json.dumps(told, indent=1).encode())


def _read(path: Path) -> ModelVersion:
    return from_record(json.loads(path.read_bytes()))
