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

from emulators.azure.call import Answer, Call
from emulators.azure.cloud import CONTAINER, Cloud
from emulators.azure.front import REGION
from emulators.azure.resource import Resource

#: Which side of a request each collection keeps. A model's own logging fills others.
SIDES = {"request": "request", "model_inputs": "request"} | {
    "response": "response",
    "model_outputs": "response",
}


class Collector:
    """Writes what deployments are set to collect."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def keep(self, endpoint: Resource, deployment: Resource, call: Call, found: Answer) -> None:
        """Write one request and its answer, as far as the deployment collects them."""
        settings = deployment.properties.get("dataCollector") or {}
        for name, collection in (settings.get("collections") or {}).items():
            if name in SIDES and _is_due(collection):
                data = call.body if SIDES[name] == "request" else found.body()
                event = _event(endpoint, deployment, name, data)
                line = json.dumps(event).encode() + b"\n"
                self._cloud.blobs.append(CONTAINER, _path(endpoint, deployment, name), line)


def _is_due(collection: Mapping[str, Any]) -> bool:
    if collection.get("dataCollectionMode", "").lower() != "enabled":
        return False
    return random.random() < float(collection.get("samplingRate") or 1.0)


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
        "source": f"{deployment.id.path}/{name}",
        "type": "azureml.inference.request",
        "datacontenttype": "application/json",
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": content,
        "correlationid": identity,
        "xrequestid": identity,
        "modelversion": deployment.properties.get("model"),
        "collectdatatype": "json",
        "agent": "tridock/emulated",
        "contentrange": f"bytes 0-{len(data)}/{len(data)}",
        "location": REGION,
        "endpoint": endpoint.id.name,
        "deployment": deployment.id.name,
    }
