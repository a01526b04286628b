"""Metadata of the server and of its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import Manifest
from tridock.inference.data.field import Dtype
from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.errors import InferenceError
from tridock.inference.score import Loaded
from tridock.inference.web.lifecycle import Lifecycle

MODEL_PATHS = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
DATATYPES: dict[Dtype, str] = {
    "number": "FP64",
    "integer": "INT64",
    "boolean": "BOOL",
    "string": "BYTES",
}
#: The outputs' names, as other scikit-learn servers call them.
PREDICT, PROBABILITIES = "predict", "predict_proba"


class UnknownModelError(InferenceError):
    """The path names another model, or another version, than this server has."""


def check_model(path: Mapping[str, str], bundle: Bundle) -> None:
    """Check that a path's model and version are the ones served.

    Raises
    ------
    UnknownModelError
        If they are not; the message has those that are.
    """
    served = bundle.manifest
    named = path["model"], path.get("version", served.version)
    if named != (served.name, served.version):
        raise UnknownModelError(
            f"no model {named[0][:100]!r} version {named[1][:100]!r} here: this server has "
            f"{served.name!r} version {served.version!r}"
        )


def server_metadata() -> dict[str, Any]:
    """Tell what this server is."""
    return {
        "name": "tridock",
        "version": "0.1.0",
        "extensions": ["binary_tensor_data", "classification", "model_repository"],
    }


def model_metadata(loaded: Loaded) -> dict[str, Any]:
    """Tell the model's inputs and outputs."""
    bundle = loaded.bundle
    head = {"name": bundle.name, "versions": [bundle.version]}
    if loaded.model is None or loaded.script:
        return {**head, "platform": "script", "inputs": [], "outputs": []}
    return {
        **head,
        "platform": bundle.manifest.framework,
        "inputs": _inputs(loaded.model.signature),
        "outputs": _outputs(loaded.model.output),
    }


def model_ready(loaded: Loaded) -> dict[str, Any]:
    """Tell that the model is ready."""
    return {"name": loaded.bundle.name, "ready": True}


def index(lifecycle: Lifecycle) -> list[dict[str, str]]:
    """List the models: the one that is served."""
    bundle, problem = lifecycle.loaded().bundle, lifecycle.problem()
    state = "UNAVAILABLE" if problem else "READY"
    return [{"name": bundle.name, "version": bundle.version, "state": state, "reason": problem}]


def example(manifest: Manifest) -> dict[str, Any] | None:
    """Return an inference request that works, made of the manifest's first example."""
    signature = manifest.signature
    if signature is None or not manifest.examples:
        return None
    given = manifest.examples[0].input
    row = given if isinstance(given, list) else [given]
    inputs = _inputs(signature)
    shares = [row] if len(inputs) == 1 else [[cell] for cell in row]
    return {
        "inputs": [
            {**tensor, "shape": [1, *tensor["shape"][1:]], "data": share}
            for tensor, share in zip(inputs, shares, strict=True)
        ]
    }


def _inputs(signature: Signature) -> list[dict[str, Any]]:
    if signature.container == "array":
        kinds = {DATATYPES[field.dtype] for field in signature.fields}
        shape = [-1, len(signature.fields)]
        return [{"name": "input", "datatype": _common(kinds), "shape": shape}]
    return [
        {"name": field.name, "datatype": DATATYPES[field.dtype], "shape": [-1]}
        for field in signature.fields
    ]


def _common(kinds: set[str]) -> str:
    if len(kinds) == 1:
        return next(iter(kinds))
    return "BYTES" if "BYTES" in kinds else "FP64"


def _outputs(output: OutputSignature) -> list[dict[str, Any]]:
    predicted = {"name": PREDICT, "datatype": DATATYPES[output.dtype], "shape": [-1, *output.shape]}
    if not output.probabilities or output.shape:
        return [predicted]
    shares = {"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, len(output.classes)]}
    return [predicted, shares]
