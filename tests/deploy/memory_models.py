"""A registry of models in this process's memory: it keeps the contract."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from tridock.deploy.target.errors import ConflictError, NotFoundError
from tridock.deploy.target.model_registry import Approval, ModelVersion, entry
from tridock.inference.bundle.bundle import Bundle, replaced


@dataclass
class MemoryModels:
    """Versions in a dictionary, oldest first, and where their bundles were."""

    kept: dict[str, list[ModelVersion]] = field(default_factory=dict)
    bundles: dict[str, Path] = field(default_factory=dict)

    def names(self) -> Sequence[str]:
        return sorted(self.kept)

    def versions(self, model: str) -> Sequence[ModelVersion]:
        return tuple(reversed(self.kept.get(model, [])))

    def register(self, bundle: Bundle) -> ModelVersion:
        for one in self.kept.get(bundle.name, []):
            if one.version == bundle.version and one.digest != bundle.digest:
                raise ConflictError(f"{bundle.name} {bundle.version} is another bundle")
            if one.version == bundle.version:
                return one
        made = self.kept.setdefault(bundle.name, [])
        self.bundles[bundle.digest] = bundle.path
        new = entry(bundle, f"memory://models/{bundle.digest}")
        made.append(replace(new, number=str(len(made) + 1), created=datetime.now(UTC)))
        return made[-1]

    def approve(self, model: str, version: str, approval: Approval, reason: str) -> None:
        one = self._find(model, version)
        self._put(replace(one, approval=approval, reason=reason))

    def alias(self, model: str, alias: str, version: str) -> None:
        self._find(model, version)
        for one in self.kept[model]:
            rest = set(one.aliases) - {alias}
            names = rest | {alias} if one.version == version else rest
            self._put(replace(one, aliases=tuple(sorted(names))))

    def fetch(self, registered: ModelVersion, folder: Path) -> None:
        if registered.digest not in self.bundles:
            raise NotFoundError(f"no bundle {registered.digest}")
        with replaced(folder) as draft:
            shutil.copytree(self.bundles[registered.digest], draft, dirs_exist_ok=True)

    def _find(self, model: str, version: str) -> ModelVersion:
        for one in self.kept.get(model, []):
            if one.version == version:
                return one
        raise NotFoundError(f"no {model} {version}")

    def _put(self, one: ModelVersion) -> None:
        every = self.kept[one.model]
        every[[each.version for each in every].index(one.version)] = one
