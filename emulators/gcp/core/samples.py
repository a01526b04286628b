"""Request-response logging: predictions kept as rows of a BigQuery table."""

from __future__ import annotations

import json
import random
import threading
import uuid

from tridock.emulators.gcp.protocol.names import Record, now
from tridock.emulators.gcp.state.database import Change, Database

#: Of the records in the database.
KIND = "rows"
#: The table's columns ("Online prediction logging", Vertex AI).
COLUMNS = (
    ("endpoint", "STRING", "NULLABLE"),
    ("deployed_model_id", "STRING", "NULLABLE"),
    ("logging_time", "TIMESTAMP", "NULLABLE"),
    ("request_id", "NUMERIC", "NULLABLE"),
    ("request_payload", "STRING", "REPEATED"),
    ("response_payload", "STRING", "REPEATED"),
)


class Tables:
    """Rows by ``project.dataset.table``.

    Parameters
    ----------
    database : Database
        Keeps them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: dict[str, list[Record]] = {}
        self._new: list[Change] = []
        self._lock = threading.Lock()
        for name, text in database.load(KIND):
            self._rows.setdefault(name.rpartition("#")[0], []).append(json.loads(text))

    def items(self) -> list[tuple[str, list[Record]]]:
        """Return the tables with their rows, oldest first."""
        with self._lock:
            return [(name, list(rows)) for name, rows in self._rows.items()]

    def add(self, name: str, row: Record) -> None:
        """Add a row; the next `flush` writes it."""
        with self._lock:
            rows = self._rows.setdefault(name, [])
            rows.append(row)
            self._new.append((KIND, f"{name}#{len(rows)}", json.dumps(row)))

    def flush(self) -> None:
        """Write the rows that are new.

        Raises
        ------
        NotWrittenError
            If the disk is full; they stay to be written.
        """
        with self._lock:
            self._database.write(self._new)
            self._new.clear()

    def clear(self) -> None:
        """Forget every row."""
        with self._lock:
            self._rows.clear()
            self._new.clear()
            self._database.clear([KIND])


def keep(tables: Tables, endpoint: Record, deployed: str, payloads: tuple[bytes, bytes]) -> None:
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
    tables.add(table(endpoint), row)


def table(endpoint: Record) -> str:
    """Return the table of an endpoint as ``project.dataset.table``."""
    config = endpoint["predictRequestResponseLoggingConfig"]
    given = config.get("bigqueryDestination", {}).get("outputUri", "").removeprefix("bq://")
    parts = given.split(".") if given else []
    project = parts[0] if parts else endpoint["name"].split("/")[1]
    default = f"logging_{endpoint['displayName']}_{endpoint['name'].rpartition('/')[2]}"
    dataset = parts[1] if len(parts) > 1 else default.replace("-", "_")
    return f"{project}.{dataset}.{parts[2] if len(parts) > 2 else 'request_response_logging'}"
