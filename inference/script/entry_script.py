"""A scoring script that the container is told of, without a bundle around it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import Manifest
from tridock.inference.errors import ScriptError

#: The script, and the directory it lies in (Azure ML, «Azure Machine Learning inference HTTP
#: server», environment variables).
SCRIPT = "AZUREML_ENTRY_SCRIPT"
ROOT = "AML_APP_ROOT"
MODEL_DIRECTORY = "AZUREML_MODEL_DIR"


def find(environment: Mapping[str, str]) -> Path | None:
    """Return the script that ``AZUREML_ENTRY_SCRIPT`` names, or None if none is named.

    Raises
    ------
    ScriptError
        If it is named and not there.
    """
    name = environment.get(SCRIPT)
    if not name:
        return None
    path = (Path(environment.get(ROOT) or ".") / name).resolve()
    if not path.is_file():
        raise ScriptError(f"{SCRIPT} is {name}, and there is no file {path}: check {ROOT}")
    return path


def bundle(script: Path, environment: Mapping[str, str]) -> Bundle:
    """Describe a bare script as a bundle: nothing was promised, so nothing is verified.

    Its directory is the model's, since that is what the script asks for.
    """
    name = script.parent.name.lower() or "script"
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    manifest = Manifest(name, "0", created, libraries={}, files={}, script=script.name)
    return Bundle(Path(environment.get(MODEL_DIRECTORY) or script.parent), manifest)
