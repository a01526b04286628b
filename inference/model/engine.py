"""Which engine runs a bundle's model: the compiled graph where there is one, else the estimator."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import Compiled, Manifest
from tridock.inference.errors import BundleError
from tridock.inference.model import formats
from tridock.inference.model.model import Engine, Model

#: Set to ``joblib`` to run the fitted estimator though a graph is there, to ``onnx`` to insist.
ENGINE = "TRIDOCK_ENGINE"
#: Set to ``false``, nothing is accepted that unpickles: unpickling executes what a file holds.
ALLOW_PICKLE = "TRIDOCK_ALLOW_PICKLE"
WORDS = {"": True, "true": True, "1": True, "false": False, "0": False}

log = logging.getLogger(__name__)


def model(bundle: Bundle, environment: Mapping[str, str]) -> Model | None:
    """Load a verified bundle's model, or return None where it has only a script.

    Parameters
    ----------
    bundle : Bundle
        Whose digests have been checked.
    environment : Mapping of str to str
        `ENGINE` and `ALLOW_PICKLE` are read.

    Raises
    ------
    BundleError
        If it does not load, or may not be loaded.
    """
    manifest, pickle = bundle.manifest, allows_pickle(environment)
    if manifest.script and not pickle:
        raise BundleError(
            f"{ALLOW_PICKLE} is false and the bundle has a scoring script, which may unpickle "
            "anything: package the model without it, or allow pickle"
        )
    if not manifest.model:
        return None
    if not manifest.signature or not manifest.output:
        raise BundleError("the manifest names a model without its signature: package it again")
    engine = _engine(bundle, _wanted(environment), pickle=pickle)
    return Model(engine, manifest.signature, manifest.output)


def allows_pickle(environment: Mapping[str, str]) -> bool:
    """Tell whether files that unpickle may be loaded.

    Raises
    ------
    BundleError
        If the variable has a value that is neither true nor false.
    """
    value = environment.get(ALLOW_PICKLE, "").strip().lower()
    if value not in WORDS:
        raise BundleError(f"{ALLOW_PICKLE} is {value!r}: give true or false")
    return WORDS[value]


def unpickles(manifest: Manifest) -> str:
    """Say why serving a bundle means unpickling, or return an empty string."""
    if manifest.script:
        return "its scoring script may unpickle anything"
    if manifest.compiled or not manifest.model or not formats.of(manifest.model).unpickles:
        return ""
    reason = f" ({manifest.not_compiled})" if manifest.not_compiled else ""
    return f"{manifest.model} is a pickle, and the model is not compiled{reason}"


def _wanted(environment: Mapping[str, str]) -> str:
    wanted = environment.get(ENGINE, "")
    if wanted not in ("", "onnx", "joblib"):
        raise BundleError(f"{ENGINE} is {wanted!r}: give onnx or joblib, or leave it out")
    return wanted


def _engine(bundle: Bundle, wanted: str, *, pickle: bool) -> Engine:
    manifest = bundle.manifest
    if manifest.compiled and wanted != "joblib":
        return _graph(bundle, manifest.compiled)
    if wanted == "onnx":
        raise BundleError(
            f"{ENGINE} is onnx and the model is not compiled: "
            f"{manifest.not_compiled or 'package it again'}"
        )
    return _estimator(bundle, pickle=pickle)


def _graph(bundle: Bundle, compiled: Compiled) -> Engine:
    from tridock.inference.model import onnx_engine

    signature, output = bundle.manifest.signature, bundle.manifest.output
    if not signature or not output:
        raise BundleError("the manifest names a model without its signature: package it again")
    return onnx_engine.load(bundle.path / compiled.file, compiled, signature, output)


def _estimator(bundle: Bundle, *, pickle: bool) -> Engine:
    from tridock.inference.model import threads

    threads.announce()
    # They import importlib.metadata, which a compiled model's quick start does without.
    from tridock.inference.bundle import libraries, own_modules
    from tridock.inference.model.sklearn_engine import Estimator

    manifest = bundle.manifest
    file = bundle.path / (manifest.model or "")
    fields = manifest.signature.fields if manifest.signature else ()
    stored = formats.of(file.name)
    if stored.unpickles and not pickle:
        raise BundleError(
            f"{ALLOW_PICKLE} is false and {file.name} is a pickle: package the model so that it "
            "compiles, store it with skops (--store skops), or allow pickle"
        )
    libraries.check(manifest.libraries)
    if stored.unpickles:  # the others import nothing of the user's own
        own_modules.make_importable(bundle.path, manifest.code)
    return Estimator.of(stored.storage.load(file, manifest.trusted), fields, stored.name)
