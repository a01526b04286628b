"""References to registered models: ``NAME``, ``NAME:VERSION`` or ``NAME@ALIAS``."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tridock.deploy import private_files
from tridock.deploy.target import names
from tridock.deploy.target.errors import DeployError, NotFoundError
from tridock.deploy.target.model_registry import Models, ModelVersion
from tridock.inference.errors import InferenceError

#: What the registries of all clouds take, and none has for itself: on Vertex AI one version is the
#: "default" always, and Azure ML calls the newest "latest".
ALIAS = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")
TAKEN = ("default", "latest")
_MODEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Reference:
    """One version of a model: a version, or what an alias names; the newest if it has neither."""

    model: str
    version: str = ""
    alias: str = ""

    @classmethod
    def read(cls, text: str) -> Reference:
        """Read the words of a person; raise `ValueError` saying what was expected."""
        model, sign, rest = re.fullmatch(r"([^:@]*)([:@]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
        if not _MODEL.fullmatch(model) or bool(sign) != bool(rest):
            raise ValueError("NAME, NAME:VERSION or NAME@ALIAS was expected, e.g. iris@champion")
        return cls(model, rest if sign == ":" else "", rest if sign == "@" else "")

    def __str__(self) -> str:
        end = f":{self.version}" if self.version else f"@{self.alias}" if self.alias else ""
        return self.model + end


def alias(text: str) -> str:
    """Read a name for a version; raise `ValueError` saying what was expected."""
    if not ALIAS.fullmatch(text) or text in TAKEN:
        raise ValueError(
            "an alias has 2 to 32 of a-z, 0-9 and -, a letter first and no - last, and is none of "
            f"{', '.join(TAKEN)}"
        )
    return text


def find(models: Models, wanted: Reference) -> ModelVersion:
    """Return the version that a reference names.

    Raises
    ------
    NotFoundError
        If there is none; the message says what there is.
    """
    versions = models.versions(wanted.model)
    if not versions:
        there = ", ".join(models.names()) or "none: `tridock models register` enters one"
        raise NotFoundError(f"no model {wanted.model!r} is registered there; there are: {there}")
    if not wanted.version and not wanted.alias:
        return versions[0]
    for version in versions:
        if version.version == wanted.version or wanted.alias in version.aliases:
            return version
    raise NotFoundError(f"{_missing(wanted)}; there are: {_there(wanted, versions)}")


def _missing(wanted: Reference) -> str:
    if wanted.version:
        return f"{wanted.model} has no version {wanted.version!r}"
    return f"{wanted.model} has no alias {wanted.alias!r}"


def _there(wanted: Reference, versions: Sequence[ModelVersion]) -> str:
    if wanted.version:
        return ", ".join(one.version for one in versions)
    named = sorted((name, one.version) for one in versions for name in one.aliases)
    return ", ".join(f"{name} ({version})" for name, version in named) or "none"


# A registered version's bundle, brought here to be released like any other.


def fetch(models: Models, version: ModelVersion, folder: Path) -> Path:
    """Return a folder with a version's bundle, below `folder` and named by its digest.

    One that is there and whole is taken.

    Raises
    ------
    DeployError
        If what came is not what was registered.
    """
    from tridock.inference.bundle.bundle import (
        Bundle,  # brings NumPy, which most commands do without
    )

    place = folder / names.check("digest", version.digest, names.DIGEST)
    with suppress(InferenceError):  # not there, or not whole any more
        if Bundle.read(place).digest == version.digest:
            return place
    shutil.rmtree(place, ignore_errors=True)
    private_files.folder(folder)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        draft = Path(scratch) / "bundle"
        models.fetch(version, draft)
        digest = Bundle.read(draft).digest
        if digest != version.digest:
            raise DeployError(
                f"what is stored as {version.model} {version.version} is another bundle: its "
                f"digest is {digest[:12]}…, and {version.digest[:12]}… was registered. Nothing was "
                f"changed; find out who replaced {version.artifact}"
            )
        private_files.close(draft)
        with suppress(OSError):  # another command brought it meanwhile
            draft.rename(place)
    return place
