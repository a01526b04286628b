"""Data capture: lines in S3 as the Developer Guide shows them."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from tests.emulators.aws.hosting import BUCKET, ROW, Hosting, eventually, variant

HEADERS = {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]}


def _capture(folder: str, *modes: str, **more: Any) -> dict[str, Any]:
    usual = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/{folder}",
        "CaptureOptions": [{"CaptureMode": mode} for mode in modes],
        "CaptureContentTypeHeader": HEADERS,
    }
    return usual | more


def test_requests_and_answers_become_lines(hosting: Hosting, runtime: Any, s3: Any) -> None:
    capture = _capture("whole", "Input", "Output")
    name = hosting.serve(variant("V", "tree"), DataCaptureConfig=capture)
    hosting.score(name, InferenceId="mine", Accept="text/csv")
    runtime.invoke_endpoint(EndpointName=name, Body=b'{"features": [5, 3, 1, 0]}')
    first, second = lines(s3, f"whole/{name}/V/", 2)
    assert first["captureData"]["endpointInput"] == {
        "observedContentType": "text/csv",
        "mode": "INPUT",
        "data": ROW.decode(),
        "encoding": "CSV",
    }
    assert first["captureData"]["endpointOutput"]["data"] == "0\n"
    assert first["captureData"]["endpointOutput"]["mode"] == "OUTPUT"
    assert first["eventMetadata"]["inferenceId"] == "mine"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first["eventMetadata"]["inferenceTime"])
    assert first["eventVersion"] == "0"
    unlisted = second["captureData"]["endpointInput"]
    assert unlisted["encoding"] == "BASE64"
    assert base64.b64decode(unlisted["data"]) == b'{"features": [5, 3, 1, 0]}'


def test_only_the_modes_asked_for_are_captured(hosting: Hosting, s3: Any) -> None:
    capture = _capture("half", "Input")
    name = hosting.serve(variant("V", "tree"), DataCaptureConfig=capture)
    hosting.score(name)
    (line,) = lines(s3, f"half/{name}/V/", 1)
    assert set(line["captureData"]) == {"endpointInput"}


def test_nothing_is_captured_if_it_is_off(hosting: Hosting, s3: Any) -> None:
    on, off = _capture("on", "Input"), _capture("off", "Input", EnableCapture=False)
    quiet = hosting.create(variant("V", "tree"), DataCaptureConfig=off)
    loud = hosting.create(variant("V", "tree"), DataCaptureConfig=on)
    for name in (quiet, loud):
        hosting.settle(name)
        hosting.score(name)
    lines(s3, f"on/{loud}/V/", 1)  # written by the same tick that would have written the other
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"off/{quiet}/")


def lines(s3: Any, prefix: str, count: int) -> list[dict[str, Any]]:
    """Return the captured lines below `prefix` when there are `count`."""

    def look() -> list[dict[str, Any]]:
        found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        for item in found:
            assert re.search(r"/V/\d{4}/\d\d/\d\d/\d\d/[^/]+\.jsonl$", item["Key"])
        texts = [
            s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read().decode() for item in found
        ]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    seen: list[dict[str, Any]] = eventually(look, lambda seen: len(seen) >= count)
    assert len(seen) == count
    return seen
