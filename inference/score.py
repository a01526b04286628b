"""The scoring contract in Azure ML's words: ``init()`` once, ``run()`` per request.

Every way in, of every cloud, ends in what `init` loaded: a program's in `run`, requests that the
server predicts together in its model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tridock.inference.bundle import location
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import Manifest
from tridock.inference.errors import InvalidInputError, NotReadyError, ScoringError, ScriptError
from tridock.inference.model import engine
from tridock.inference.model.model import Model
from tridock.inference.script.user_script import Script


@dataclass(frozen=True)
class Loaded:
    """Model or script that `init` loaded.

    Attributes
    ----------
    bundle : Bundle
        The verified bundle.
    model : Model or None
        Its model, if it has one.
    script : Script or None
        The user's script, if it has one; requests then go to it alone.
    """

    bundle: Bundle
    model: Model | None
    script: Script | None

    def required_model(self) -> Model:
        """Return the model.

        Raises
        ------
        ScoringError
            If there is none.
        """
        if self.model is None:
            raise ScoringError("this bundle has neither a model nor a script: package it again")
        return self.model


_loaded: Loaded | None = None


def init(path: Path | None = None) -> None:
    """Load the model, once, before the first request.

    Parameters
    ----------
    path : Path, optional
        Bundle directory; by default the one that the cloud's container names
        (`tridock.inference.bundle.location.find`).

    Raises
    ------
    BundleError
        If there is no bundle, it was altered, needs another scikit-learn, or does not load.
    """
    global _loaded
    _loaded = None
    script = None if path else find(os.environ)
    _loaded = _bare(script) if script else _load(Bundle.read(location.find(path)))


def loaded() -> Loaded | None:
    """Return what `init` brought up, or None."""
    return _loaded


def run(data: Any) -> Any:
    """Predict.

    Parameters
    ----------
    data : list of rows, or str
        Rows in a form that `Signature.rows` takes; for a bundle with a script, the request's body
        as it came.

    Returns
    -------
    list
        One JSON-ready prediction per row, in order; with a script, its own return value.

    Raises
    ------
    RequestError
        `InvalidInputError` if the rows do not fit; `NotReadyError` before `init`;
        `ScoringError` if the model or the script fails.
    """
    ready = _ready()
    if ready.script:
        return ready.script.run(data)
    fitted = _model(ready)
    return fitted.predict(fitted.signature.rows(data))


def run_with_probabilities(rows: Any) -> list[dict[str, Any]]:
    """Predict, and tell how sure the model is.

    Parameters
    ----------
    rows : list of rows
        In a form that `Signature.rows` takes.

    Returns
    -------
    list of dict
        Per row ``{"prediction": …, "probabilities": {class: probability}}``.

    Raises
    ------
    RequestError
        As for `run`; `InvalidInputError` too where there are no probabilities to give.
    """
    fitted = _model(_ready())
    table = fitted.signature.rows(rows)
    return fitted.answers(table, probabilities=True).values()


def _bare(path: Path) -> Loaded:
    """Load a script that no bundle holds."""
    bundle = script_bundle(path, os.environ)
    return Loaded(bundle, None, Script.load(path, bundle.path))


def _ready() -> Loaded:
    if _loaded is None:
        raise NotReadyError("the model is not loaded yet: try again in a moment")
    return _loaded


def _model(ready: Loaded) -> Model:
    if ready.model is None or ready.script:
        raise InvalidInputError("a scoring script answers here: it gives no probabilities")
    return ready.model


def _load(bundle: Bundle) -> Loaded:
    fitted, script = engine.model(bundle, os.environ), None
    if bundle.manifest.script:
        path = bundle.path / bundle.manifest.script
        script = Script.load(path.resolve(), bundle.path.resolve())
    return Loaded(bundle, fitted, script)


# A scoring script that the container names, without a bundle around it.

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


def script_bundle(script: Path, environment: Mapping[str, str]) -> Bundle:
    """Describe a bare script as a bundle: nothing was promised, so nothing is verified.

    Its directory is the model's, since that is what the script asks for.
    """
    name = script.parent.name.lower() or "script"
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    manifest = Manifest(name, "0", created, libraries={}, files={}, script=script.name)
    return Bundle(Path(environment.get(MODEL_DIRECTORY) or script.parent), manifest)
