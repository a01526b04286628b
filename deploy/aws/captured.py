"""Answers that SageMaker's data capture keeps as JSON lines in the artifacts' bucket.

Source: "Data capture", developer guide: one file for each variant and some time, below
``<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from tridock.deploy.aws.errors import translated
from tridock.deploy.aws.store import Store
from tridock.deploy.target.errors import ConfigError, NotFoundError
from tridock.deploy.target.metrics import Answer, predictions

FOLDER = "capture/"
#: Kept as they are; what is of another type comes in base64.
JSON_TYPES = ["application/json"]
#: A file is written some time after the first request in it.
LATE = timedelta(hours=1)


def percent_of(setting: str) -> int | None:
    """Return the percent of answers to keep; None for as many as an endpoint keeps by now.

    Raises
    ------
    ConfigError
        If it is none.
    """
    if not setting:
        return None
    if not setting.isdecimal() or int(setting) > 100:
        raise ConfigError(f"aws.capture is {setting!r}: give a whole percent from 0 to 100")
    return int(setting)


def config(bucket: str, percent: int | None) -> Mapping[str, Any] | None:
    """Return what an endpoint's configuration says of it: nothing where nothing is kept.

    None leaves it as it is.

    Requests stay out: they are not needed here, and may be personal.
    """
    if not percent:
        return None if percent is None else {}
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": percent,
        "DestinationS3Uri": f"s3://{bucket}/{FOLDER.rstrip('/')}",
        "CaptureOptions": [{"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": JSON_TYPES},
    }


def answers(store: Store, endpoint: str, variant: str, since: datetime) -> list[Answer]:
    """Return what was kept of a variant's answers since a moment, oldest first.

    Those alone that have the ``InferenceId`` of their request and bear predictions. Their times are
    whole seconds; milliseconds are not kept, nor what the model failed to answer.
    """
    folder = f"{FOLDER}{endpoint}/{variant}/"
    moment = since.replace(microsecond=0)
    found = []
    for key in _keys(store, folder, since):
        for line in _lines(store, key):
            event = line["eventMetadata"]
            when = datetime.fromisoformat(event["inferenceTime"])
            said = _predictions(line)
            if when >= moment and said and "inferenceId" in event:
                found.append((when, Answer(event["inferenceId"], said, None)))
    return [answer for _, answer in sorted(found, key=lambda one: one[0])]


def _keys(store: Store, folder: str, since: datetime) -> Iterator[str]:
    """Yield the files that may have something since a moment: their folders are named by hours."""
    first = f"{folder}{since.astimezone(UTC) - LATE:%Y/%m/%d/%H}"
    pages = store.s3.get_paginator("list_objects_v2")
    with suppress(NotFoundError), translated("s3"):
        for page in pages.paginate(Bucket=store.bucket, Prefix=folder, StartAfter=first):
            yield from (item["Key"] for item in page.get("Contents", ()))


def _lines(store: Store, key: str) -> Iterator[dict[str, Any]]:
    with translated("s3"):
        body = store.s3.get_object(Bucket=store.bucket, Key=key)["Body"].read()
    for line in body.splitlines():
        with suppress(ValueError):
            record = json.loads(line)
            if "captureData" in record and "eventMetadata" in record:
                yield record


def _predictions(line: Mapping[str, Any]) -> tuple[Any, ...]:
    answer = line["captureData"].get("endpointOutput") or {}
    said = str(answer.get("data", ""))
    return predictions(
        base64.b64decode(said) if answer.get("encoding") == "BASE64" else said.encode()
    )
