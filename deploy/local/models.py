"""The registry of models as a folder of this machine.

``<model>/versions/<version>/`` holds ``bundle/`` and ``version.json``; beside ``versions`` lies
``aliases.json``.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import override

from tridock.deploy import private_files
from tridock.deploy.local.gate import alone, put
from tridock.deploy.target import names
from tridock.deploy.target.errors import ConflictError, NotFoundError, TargetError
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
from tridock.inference.bundle.bundle import Bundle, replaced

DRAFT = ".draft-"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FolderModels(Models):
    """The models in one folder.

    Attributes
    ----------
    folder : Path
        Made when the first model is registered.
    """

    folder: Path

    @override
    def names(self) -> Sequence[str]:
        files = self.folder.glob("[!.]*/versions/*/version.json")
        models = {path.parents[2].name for path in files}
        return sorted(name for name in models if names.NAME.fullmatch(name))

    @override
    def versions(self, model: str) -> Sequence[ModelVersion]:
        aliases = self._aliases(model)
        paths = sorted(self._versions(model).glob("[!.]*/version.json"))
        versions = [one for one in map(_read, paths) if one]
        named = [
            replace(
                version,
                aliases=tuple(sorted(a for a, at in aliases.items() if at == version.version)),
            )
            for version in versions
        ]
        return tuple(sorted(named, key=lambda one: int(one.number), reverse=True))

    @override
    def register(self, bundle: Bundle) -> ModelVersion:
        with alone(self.folder):
            standing = {version.version: version for version in self.versions(bundle.name)}
            registered = standing.get(bundle.version)
            if registered is None:
                newest = max((int(one.number) for one in standing.values()), default=0)
                return self._enter(bundle, str(newest + 1))
        refuse_other(registered, bundle)
        return registered

    @override
    def approve(self, model: str, version: str, approval: Approval, reason: str) -> None:
        with alone(self.folder):
            registered = self._find(model, version)
            self._write(
                self._place(registered), replace(registered, approval=approval, reason=reason)
            )

    @override
    def alias(self, model: str, alias: str, version: str) -> None:
        with alone(self.folder):
            self._find(model, version)
            names.check("alias", alias)
            aliases = {**self._aliases(model, strict=True), alias: version}
            put(self._model(model) / "aliases.json", json.dumps(aliases).encode())

    @override
    def fetch(self, registered: ModelVersion, folder: Path) -> None:
        bundle = self._place(registered) / "bundle"
        if not bundle.is_dir():
            raise NotFoundError(
                f"the bundle of {registered.model} {registered.version} is gone: {bundle}"
            )
        with replaced(folder) as draft:
            shutil.copytree(bundle, draft, dirs_exist_ok=True)

    def _enter(self, bundle: Bundle, number: str) -> ModelVersion:
        """Make a version's folder and let it appear at once."""
        for stale in self.folder.glob(f"{DRAFT}*"):  # of a process that was killed: we are alone
            shutil.rmtree(stale)
        version = names.check("version", bundle.version, names.VERSION)
        place = self._versions(bundle.name) / version
        if place.exists():
            raise ConflictError(f"{place} has no readable version.json: move it away")
        made = entry(bundle, (place / "bundle").as_uri())
        made = replace(made, number=number, created=datetime.now(UTC))
        with tempfile.TemporaryDirectory(prefix=DRAFT, dir=self.folder) as scratch:
            draft = Path(scratch) / "version"
            private_files.folder(draft)
            private_files.copy(bundle.path, draft / "bundle")
            self._write(draft, made)
            private_files.folder(place.parent)
            draft.rename(place)
        return made

    def _find(self, model: str, version: str) -> ModelVersion:
        return find(self.versions(model), model, version, of=str(self.folder))

    def _aliases(self, model: str, *, strict: bool = False) -> dict[str, str]:
        """Return versions by alias; a file that cannot be read is named, and has none.

        Raises
        ------
        TargetError
            If that is to be `strict`, because the file would be written over.
        """
        path = self._model(model) / "aliases.json"
        try:
            return {str(name): str(at) for name, at in json.loads(path.read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            said = f"{path} cannot be read, and its aliases are left out: {error!r}. Move it away"
            if strict:
                raise TargetError(said) from error
            log.warning("%s", said)
            return {}

    def _model(self, model: str) -> Path:
        return self.folder / names.check("model", model)

    def _versions(self, model: str) -> Path:
        return self._model(model) / "versions"

    def _place(self, version: ModelVersion) -> Path:
        return self._versions(version.model) / names.check(
            "version", version.version, names.VERSION
        )

    def _write(self, place: Path, version: ModelVersion) -> None:
        content = record(replace(version, aliases=()))
        put(place / "version.json", json.dumps(content, indent=1).encode())


def _read(path: Path) -> ModelVersion | None:
    """Read a version's record; one that is none is named, and left out."""
    try:
        version = from_record(json.loads(path.read_bytes()))
        named = version.model == path.parents[2].name and version.version == path.parent.name
        if named and names.DIGEST.fullmatch(version.digest) and version.number.isdecimal():
            return version
        why = "it is not the record of this folder"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = repr(error)
    log.warning("%s is no record of a version, and is left out: %s. Move it away", path, why)
    return None
