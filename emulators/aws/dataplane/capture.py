"""Data capture: requests and answers as JSON lines in S3."""

from __future__ import annotations

import base64
import datetime as dt
import json
import logging
import random
import threading
import uuid
from collections import defaultdict
from typing import Any

from tridock.emulators.aws.dataplane import artifacts
from tridock.emulators.aws.dataplane.configs import Members
from tridock.emulators.aws.dataplane.live import Lease
from tridock.emulators.aws.dataplane.requests import Reply, Request
from tridock.emulators.clock import Clock

#: Seconds of the service between two files of one variant.
INTERVAL = 60.0

log = logging.getLogger(__name__)


class Captures:
    """Captured lines that wait for their file. A file holds a minute's answers of one variant."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._lock = threading.Lock()

    def add(self, account: str, folder: str, line: str) -> None:
        """Keep a line for the next file below `folder`."""
        with self._lock:
            self._waiting[account, folder].append(line)

    def run(self, clock: Clock) -> None:
        """Write the waiting lines every minute of the service, until the emulator ends."""
        while clock.sleep(INTERVAL):
            self.flush()

    def flush(self) -> None:
        """Write all waiting lines."""
        with self._lock:
            waiting, self._waiting = self._waiting, defaultdict(list)
        for (account, folder), lines in waiting.items():
            _write(account, folder, lines)

    def clear(self) -> None:
        """Forget all waiting lines."""
        with self._lock:
            self._waiting.clear()


def keep(captures: Captures, request: Request, held: Lease, reply: Reply) -> None:
    """Capture one answered request, if the endpoint captures data and the sampling selects it."""
    config = held.share.generation.config.capture or {}
    if not config.get("EnableCapture", bool(config)):
        return
    if random.random() * 100 >= config["InitialSamplingPercentage"]:
        return
    folder = "/".join(
        (
            config["DestinationS3Uri"].rstrip("/"),
            request.key.endpoint,
            held.instance.variant,
        )
    )
    line = json.dumps(record(config, request, reply, now=dt.datetime.now(dt.UTC)))
    captures.add(request.key.account, folder, line)


def record(config: Members, request: Request, reply: Reply, *, now: dt.datetime) -> Members:
    """Return one line of a capture file (Developer Guide, "Capture data from real-time endpoint").

    Parameters
    ----------
    config : Members
        ``DataCaptureConfig``.
    now : datetime
        When the answer was given, in UTC.
    """
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    types = config.get("CaptureContentTypeHeader") or {}
    data: dict[str, Any] = {}
    if modes & {"Input", "InputAndOutput"}:
        sent = request.headers.get("Content-Type", "")
        data["endpointInput"] = _part(types, sent, request.body, mode="INPUT")
    if modes & {"Output", "InputAndOutput"}:
        answered = reply.headers.get("Content-Type", "")
        data["endpointOutput"] = _part(types, answered, reply.body, mode="OUTPUT")
    event = {"eventId": str(uuid.uuid4()), "inferenceTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    inference = request.headers.get("X-Amzn-SageMaker-Inference-Id")
    if inference:
        event["inferenceId"] = inference
    return {"captureData": data, "eventMetadata": event, "eventVersion": "0"}


def _part(types: Members, content_type: str, body: bytes, *, mode: str) -> dict[str, str]:
    encoding = _encoding(types, content_type.split(";")[0].strip())
    text = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode()
    return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}


def _encoding(types: Members, content_type: str) -> str:
    """Return the encoding of a type: Base64 unless it is listed; ``text/csv`` is by default."""
    if content_type in (types.get("CsvContentTypes") or ["text/csv"]):
        return "CSV"
    return "JSON" if content_type in (types.get("JsonContentTypes") or []) else "BASE64"


def _write(account: str, folder: str, lines: list[str]) -> None:
    now = dt.datetime.now(dt.UTC)
    uri = f"{folder}/{now:%Y/%m/%d/%H}/{now:%M-%S-%f}-{uuid.uuid4()}.jsonl"
    try:
        artifacts.write(account, uri, "".join(f"{line}\n" for line in lines).encode())
    except artifacts.MissingDataError:
        log.warning("data capture: no bucket for %s", uri)
