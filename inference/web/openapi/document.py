"""The OpenAPI document, in the versions that callers ask for."""

from __future__ import annotations

import csv
import io
from typing import Any

from tridock.inference.bundle.manifest import Manifest
from tridock.inference.codec.media import OFFERED, Form
from tridock.inference.errors import InvalidInputError
from tridock.inference.settings import Settings
from tridock.inference.web import openinference
from tridock.inference.web.openapi import schema
from tridock.inference.web.openapi.versions import lowered, swagger

TAGS = {
    "predict": "One `run()` behind every platform's route; bodies and answers are the same.",
    "health": "Is it alive, is it ready.",
    "open inference protocol": "As KServe, Triton and MLServer speak it.",
    "about": "What it serves and how it fares.",
}
STATUSES = {
    "400": "The body does not fit the model; the message says where.",
    "406": "Nothing that is offered is accepted.",
    "408": "The rest of the body did not come in time.",
    "413": "The body is too large.",
    "415": "The content type is not read.",
    "429": "Overloaded: try again after Retry-After seconds.",
    "500": "The model or the scoring script failed.",
    "503": "Not ready: loading, or ending.",
}
#: The envelope each predicting route is known for; every one of them takes every envelope.
ENVELOPES = {"/predict": "Features", "/invocations": "Instances", "/score": "Inputs"}
ANY_FORM = (
    "Every route that predicts takes rows as `instances`, `features`, `inputs`, `data`, "
    "`input_data`, `dataframe_split`, `dataframe_records`, as a list, as tensors of the Open "
    "Inference Protocol, and in the other content types, and answers each as its clients expect."
)
SUMMARIES = {
    "/predict": "Predict",
    "/invocations": "Predict (SageMaker)",
    "/score": "Predict (Azure ML)",
}
TOLD = (
    ("/ping", "health", "Ready? (SageMaker)"),
    ("/", "health", "Ready? (Azure ML, KServe v1)"),
    ("/readyz", "health", "Ready?"),
    ("/healthz", "health", "Alive?"),
    ("/execution-parameters", "about", "How batch transform should call (SageMaker)"),
    ("/metrics", "about", "Metrics for Prometheus"),
    ("/swagger.json", "about", "This description (Azure ML); ?version=2, 3 or 3.1"),
    ("/v2", "open inference protocol", "What this server is"),
    ("/v2/health/live", "open inference protocol", "Alive?"),
    ("/v2/health/ready", "open inference protocol", "Ready?"),
)


def document(manifest: Manifest, settings: Settings, version: str = "3.1") -> dict[str, Any]:
    """Describe the API of the model of `manifest`.

    Parameters
    ----------
    manifest : Manifest
        Its fields, examples and classes.
    settings : Settings
        Its Vertex AI routes.
    version : str
        ``"3.1"``, ``"3"`` (OpenAPI 3.0) or ``"2"`` (Swagger 2.0).

    Raises
    ------
    InvalidInputError
        For another version.
    """
    newest = _document(manifest, settings)
    if version == "3.1":
        return newest
    if version == "3":
        return lowered(newest)
    if version == "2":
        return swagger(lowered(newest))
    raise InvalidInputError(f"version {version[:20]!r} is not written: ask for 2, 3 or 3.1")


def _document(manifest: Manifest, settings: Settings) -> dict[str, Any]:
    servers = {"servers": [{"url": settings.root_path}]} if settings.root_path else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": manifest.name,
            "version": manifest.version,
            "description": f"Bundle `{manifest.digest[:12]}`, made {manifest.created}.",
        },
        **servers,
        "tags": [{"name": name, "description": routes} for name, routes in TAGS.items()],
        "paths": _paths(manifest, settings),
        "components": {"schemas": _schemas(manifest)},
    }


def _paths(manifest: Manifest, settings: Settings) -> dict[str, Any]:
    paths = {path: {"post": _predict(path, manifest)} for path in ENVELOPES}
    vertex = settings.predict_route
    paths.setdefault(vertex, {"post": _predict(vertex, manifest)})
    first = f"/v1/models/{manifest.name}"
    paths[f"{first}:predict"] = {"post": _predict(f"{first}:predict", manifest)}
    model = f"/v2/models/{manifest.name}"
    if manifest.signature and not manifest.script:
        paths[f"{model}/infer"] = {"post": _infer()}
    routes = [
        *TOLD,
        ("/v1/models", "health", "The models' names (KServe v1)"),
        (first, "health", "Ready? (KServe v1)"),
        (model, "open inference protocol", "The model's inputs and outputs"),
    ]
    if settings.health_route not in [path for path, _, _ in TOLD]:
        routes.append((settings.health_route, "health", "Ready? (Vertex AI)"))
    for path, tag, summary in routes:
        paths.setdefault(path, {})["get"] = _get(path, tag, summary)
    return paths


def _predict(path: str, manifest: Manifest) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": ["predict"],
        "summary": _summary(path),
        "description": ANY_FORM,
        "operationId": _operation_id("post", path),
        "requestBody": {"required": True, "content": _request_content(path, manifest)},
        "responses": {
            "200": {"description": "Predictions.", "content": _response_content(path, manifest)},
            **_refusals(),
        },
    }
    if manifest.output and manifest.output.probabilities:
        operation["parameters"] = [_probabilities()]
    return operation


def _summary(path: str) -> str:
    first = path.startswith("/v1/models/") and path.endswith(":predict")
    return SUMMARIES.get(path, "Predict (KServe v1)" if first else "Predict (Vertex AI)")


def _infer() -> dict[str, Any]:
    return {
        "tags": ["open inference protocol"],
        "summary": "Predict",
        "operationId": "infer",
        "requestBody": {"required": True, "content": _json(_ref("InferenceRequest"))},
        "responses": {
            "200": {"description": "Tensors.", "content": _json(_ref("InferenceResponse"))},
            **_refusals(),
        },
    }


def _get(path: str, tag: str, summary: str) -> dict[str, Any]:
    return {
        "tags": [tag],
        "summary": summary,
        "operationId": _operation_id("get", path),
        "responses": {"200": {"description": "Yes." if "?" in summary[:6] else "As said."}},
    }


def _request_content(path: str, manifest: Manifest) -> dict[str, Any]:
    if manifest.script or not manifest.signature:
        return {"*/*": {"schema": {"description": "What the scoring script's run(data) reads."}}}
    content = _json(_ref(ENVELOPES.get(path, "Instances")))
    text = {"type": "string"}
    for media in ("text/csv", "application/jsonlines"):
        content[media] = {"schema": text}
    content["application/x-npy"] = {"schema": _text("application/x-npy")}
    if manifest.examples:
        content["text/csv"]["example"] = _csv_line(manifest)
    return content


def _response_content(path: str, manifest: Manifest) -> dict[str, Any]:
    if manifest.script or not manifest.output:
        return _json({"description": "What the scoring script's run(data) returned."})
    answered = "Answer" if path == "/predict" else "Predictions"
    content = _json(_ref(answered))
    more = [media for media in OFFERED if media != "application/json"]
    return content | {media: {"schema": _text(media)} for media in more}


def _text(media: str) -> dict[str, Any]:
    is_text = OFFERED[media] is not Form.ARRAY
    return {"type": "string"} if is_text else {"type": "string", "format": "binary"}


def _schemas(manifest: Manifest) -> dict[str, Any]:
    schemas = {"Error": schema.ERROR}
    signature, output, examples = manifest.signature, manifest.output, manifest.examples
    if manifest.script or not signature or not output:
        return schemas
    rows = {"type": "array", "items": _ref("Row"), "minItems": 1}
    sent = schema.example_rows(signature, examples)
    either = {"anyOf": [rows, _ref("Row")]}
    return schemas | {
        "NamedRow": schema.named_row(signature),
        "ListedRow": schema.listed_row(signature),
        "Row": schema.row(signature),
        "Features": schema.envelope("features", either, sent),
        "Instances": schema.envelope("instances", rows, sent),
        "Inputs": schema.envelope("inputs", rows, sent),
        "Prediction": schema.prediction(output),
        "Predictions": schema.answers("predictions", examples),
        "Answer": schema.answers("prediction", examples),
        "Tensor": schema.TENSOR,
        "InferenceRequest": schema.inference_request(openinference.example(manifest)),
        "InferenceResponse": schema.inference_response(),
    }


def _csv_line(manifest: Manifest) -> str:
    given = manifest.examples[0].input
    row = given if isinstance(given, list) else [given]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(["" if cell is None else cell for cell in row])
    return out.getvalue()


def _probabilities() -> dict[str, Any]:
    return {
        "name": "probabilities",
        "in": "query",
        "description": "Give each prediction with the probability of every class.",
        "schema": {"type": "string", "enum": ["true", "false", "1", "0"], "default": "false"},
    }


def _refusals() -> dict[str, Any]:
    content = _json(_ref("Error"))
    return {
        status: {"description": routes, "content": content} for status, routes in STATUSES.items()
    }


def _json(described: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": described}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _operation_id(method: str, path: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in path).split()
    return "_".join([method, *words])
