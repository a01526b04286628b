"""Settings of a transform job: the request's values, else the container's, else the defaults.

Source: Amazon SageMaker Developer Guide, "Use Your Own Inference Code with Batch Transform".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tridock.emulators.aws.protocol.errors import ValidationError
from tridock.emulators.aws.transform.jsonpath import Path, PathError
from tridock.emulators.aws.transform.transform_data import (
    CSV,
    JSON,
    JSON_LINES,
    MEGABYTE,
    Processing,
)

Members = Mapping[str, Any]

#: The most that may be on its way at once, in MB (API reference, CreateTransformJob).
MOST_MEGABYTES = 100

_STRATEGIES = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}


@dataclass(frozen=True)
class Settings:
    """The settings of a job.

    Attributes
    ----------
    concurrency : int
        Requests at a time to one model server.
    payload : int
        Most megabytes in one request; 0 streams an object of any size.
    several : bool
        Whether a request holds as many records as fit.
    by_line, assemble_by_line, gzip : bool
        ``SplitType`` Line, ``AssembleWith`` Line, ``CompressionType`` Gzip.
    content_type, accept : str
        Sent with each request; empty for none.
    timeout : float
        Real seconds for one request.
    retries : int
        How often a request that failed on the server's side is sent again.
    processing : Processing
        Filters and join.
    """

    concurrency: int
    payload: int
    several: bool
    by_line: bool
    assemble_by_line: bool
    gzip: bool
    content_type: str
    accept: str
    timeout: float
    retries: int
    processing: Processing

    @property
    def limit(self) -> int:
        """Most bytes in one request; 0 for no limit."""
        return self.payload * MEGABYTE


def read_settings(request: Members) -> Settings:
    """Turn a CreateTransformJob request into settings, with defaults for what it leaves out.

    Raises
    ------
    ValidationError
        If its values do not go together, or are not emulated.
    """
    given, output = request["TransformInput"], request["TransformOutput"]
    split = given.get("SplitType") or "None"
    if split not in ("None", "Line"):
        raise ValidationError(f"SplitType {split} is not emulated: choose None or Line.")
    client = request.get("ModelClientConfig") or {}
    settings = Settings(
        concurrency=request.get("MaxConcurrentTransforms") or 1,
        payload=_first(request.get("MaxPayloadInMB"), 6),
        several=request.get("BatchStrategy") != "SingleRecord",
        by_line=split == "Line",
        assemble_by_line=output.get("AssembleWith") == "Line",
        gzip=given.get("CompressionType") == "Gzip",
        content_type=given.get("ContentType") or "",
        accept=output.get("Accept") or "",
        timeout=float(client.get("InvocationsTimeoutInSeconds") or 600),
        retries=_first(client.get("InvocationsMaxRetries"), 3),
        processing=_processing(request),
    )
    if settings.concurrency * settings.payload > MOST_MEGABYTES:
        raise ValidationError(
            f"MaxConcurrentTransforms ({settings.concurrency}) times MaxPayloadInMB "
            f"({settings.payload}) must not exceed {MOST_MEGABYTES} MB."
        )
    return settings


def tuned(settings: Settings, request: Members, container: Members) -> Settings:
    """Return the settings with the container's preferences where the request has none."""
    changes: dict[str, Any] = {}
    if not request.get("MaxConcurrentTransforms") and container.get("MaxConcurrentTransforms"):
        changes["concurrency"] = int(container["MaxConcurrentTransforms"])
    if request.get("MaxPayloadInMB") is None and container.get("MaxPayloadInMB") is not None:
        changes["payload"] = int(container["MaxPayloadInMB"])
    if not request.get("BatchStrategy") and container.get("BatchStrategy"):
        changes["several"] = container["BatchStrategy"] != "SINGLE_RECORD"
    return replace(settings, **changes)


def environment(request: Members) -> dict[str, str]:
    """Return the variables of batch transform; those of the request only where it has a value."""
    variables = {"SAGEMAKER_BATCH": "true"}
    if request.get("MaxPayloadInMB") is not None:
        variables["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(request["MaxPayloadInMB"])
    if request.get("BatchStrategy"):
        variables["SAGEMAKER_BATCH_STRATEGY"] = _STRATEGIES[request["BatchStrategy"]]
    if request.get("MaxConcurrentTransforms"):
        variables["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(request["MaxConcurrentTransforms"])
    return variables | {str(k): str(v) for k, v in (request.get("Environment") or {}).items()}


def _processing(request: Members) -> Processing:
    given = request.get("DataProcessing") or {}
    content_type = _media_type(request["TransformInput"].get("ContentType"))
    try:
        processing = Processing(
            Path.parse(given.get("InputFilter") or "$"),
            Path.parse(given.get("OutputFilter") or "$"),
            given.get("JoinSource") == "Input",
            content_type,
            _media_type(request["TransformOutput"].get("Accept")) or content_type,
        )
    except PathError as error:
        raise ValidationError(str(error)) from error
    if processing.is_needed():
        _check_types(processing)
    return processing


def _check_types(processing: Processing) -> None:
    known = (CSV, JSON, JSON_LINES)
    for name, value in (
        ("ContentType", processing.content_type),
        ("Accept", processing.accept),
    ):
        if value not in known:
            raise ValidationError(
                f"DataProcessing needs a {name} that is one of {', '.join(known)}, not {value!r}."
            )


def _media_type(value: str | None) -> str:
    return (value or "").partition(";")[0].strip().lower()


def _first(value: int | None, default: int) -> int:
    return default if value is None else int(value)
