"""A registered version's bundle, brought here to be released like any other."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from tridock.deploy import private_files
from tridock.deploy.target import names
from tridock.deploy.target.errors import DeployError
from tridock.deploy.target.model_registry import Models, ModelVersion
from tridock.inference.errors import InferenceError


def fetch(models: Models, found: ModelVersion, folder: Path) -> Path:
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

    place = folder / names.check("digest", found.digest, names.DIGEST)
    with suppress(InferenceError):  # not there, or not whole any more
        if Bundle.read(place).digest == found.digest:
            return place
    shutil.rmtree(place, ignore_errors=True)
    private_files.folder(folder)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        draft = Path(scratch) / "bundle"
        models.fetch(found, draft)
        digest = Bundle.read(draft).digest
        if digest != found.digest:
            raise DeployError(
                f"what is stored as {found.model} {found.version} is another bundle: its digest "
                f"is {digest[:12]}…, and {found.digest[:12]}… was registered. Nothing was changed; "
                f"find out who replaced {found.artifact}"
            )
        private_files.close(draft)
        with suppress(OSError):  # another command brought it meanwhile
            draft.rename(place)
    return place
