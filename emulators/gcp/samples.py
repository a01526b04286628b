"""Request-response logging: predictions kept as rows of a BigQuery table."""

from __future__ import annotations

import random
import uuid

from emulators.gcp.cloud import Cloud
from emulators.gcp.names import Record, now

#: The table's columns ("Online prediction logging", Vertex AI).
COLUMNS = (
    ("endpoint", "STRING", "NULLABLE"),
    ("deployed_model_id", "STRING", "NULLABLE"),
    ("logging_time", "TIMESTAMP", "NULLABLE"),
    ("request_id", "NUMERIC", "NULLABLE"),
    ("request_payload", "STRING", "REPEATED"),
    ("response_payload", "STRING", "REPEATED"),
)


def keep(cloud: Cloud, endpoint: Record, deployed: str, payloads: tuple[bytes, bytes]) -> None:
    """Keep one request and its answer, if the endpoint samples them."""
    config = endpoint.get("predictRequestResponseLoggingConfig", {})
    if not config.get("enabled") or random.random() >= config.get("samplingRate", 1):
        return
    row = {
        "endpoint": endpoint["name"].rpartition("/")[2],
        "deployed_model_id": deployed,
        "logging_time": now(),
        "request_id": uuid.uuid4().int % 10**18,
        "request_payload": [payloads[0].decode(errors="replace")],
        "response_payload": [payloads[1].decode(errors="replace")],
    }
    cloud.tables.setdefault(table(endpoint), []).append(row)


def table(endpoint: Record) -> str:
    """Return the table of an endpoint as ``project.dataset.table``."""
    config = endpoint["predictRequestResponseLoggingConfig"]
    given = config.get("bigqueryDestination", {}).get("outputUri", "").removeprefix("bq://")
    parts = given.split(".") if given else []
    project = parts[0] if parts else endpoint["name"].split("/")[1]
    default = f"logging_{endpoint['displayName']}_{endpoint['name'].rpartition('/')[2]}"
    dataset = parts[1] if len(parts) > 1 else default.replace("-", "_")
    return f"{project}.{dataset}.{parts[2] if len(parts) > 2 else 'request_response_logging'}"
