"""Production data: requests and answers of a deployment as JSON lines in blob storage.

Source: "Collect production data from models deployed for real-time inferencing".
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tridock.emulators.azure.core.cloud import CONTAINER, Cloud
from tridock.emulators.azure.core.resource import Resource
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.front import REGION

#: Which side of a request each collection keeps. A model's own logging fills others.
SIDES = {"request": "request", "model_inputs": "request"} | {
    "response": "response",
    "model_outputs": "response",
}


#: The request's name, which the service gives and its answer bears.
REQUEST_ID = "x-request-id"


class Collector:
    """Writes what deployments are set to collect."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def keep(self, endpoint: Resource, deployment: Resource, call: Call, found: Answer) -> None:
        """Write one request and its answer, as far as the deployment collects them."""
        settings = deployment.properties.get("dataCollector") or {}
        drawn = random.random()  # a request and its answer are kept together
        for name, collection in (settings.get("collections") or {}).items():
            if name in SIDES and _is_due(collection, drawn):
                data = call.body if SIDES[name] == "request" else found.body()
                about = {"source": deployment.id.path, "xrequestid": call.headers[REQUEST_ID]}
                event = _event(endpoint, deployment, name, data) | about
                line = json.dumps(event).encode() + b"\n"
                self._cloud.blobs.append(CONTAINER, _path(endpoint, deployment, name), line)


def _is_due(collection: Mapping[str, Any], drawn: float) -> bool:
    if collection.get("dataCollectionMode", "").lower() != "enabled":
        return False
    return drawn < float(collection.get("samplingRate") or 1.0)


def _path(endpoint: Resource, deployment: Resource, name: str) -> str:
    hour = datetime.now(UTC).strftime("%Y/%m/%d/%H")
    root = f"modelDataCollector/{endpoint.id.name}/{deployment.id.name}/{name}"
    return f"{root}/{hour}/instance-0.jsonl"


def _event(endpoint: Resource, deployment: Resource, name: str, data: bytes) -> dict[str, Any]:
    """Make a CloudEvent (CloudEvents 1.0, JSON format) as the service writes it."""
    try:
        content = json.loads(data or b"null")
    except ValueError:
        content = data.decode(errors="replace")
    identity = str(uuid.uuid4())
    return {
        "specversion": "1.0",
        "id": identity,
        "type": f"azureml.inference.{name}",
        "datacontenttype": "application/json",
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": content,
        "correlationid": identity,
        "modelversion": deployment.properties.get("model"),
        "collectdatatype": "json",
        "agent": "tridock/emulated",
        "contentrange": f"bytes 0-{len(data)}/{len(data)}",
        "location": REGION,
        "endpoint": endpoint.id.name,
        "deployment": deployment.id.name,
    }
