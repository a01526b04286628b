"""BigQuery: the rows of request-response logging can be listed; nothing else is emulated."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from tridock.emulators.gcp.core.cloud import Cloud
from tridock.emulators.gcp.core.samples import COLUMNS
from tridock.emulators.gcp.protocol import masks
from tridock.emulators.gcp.protocol.errors import NotFoundError
from tridock.emulators.gcp.protocol.names import number
from tridock.emulators.gcp.protocol.wire import Answer, Request

PREFIX = "/bigquery/v2/"
_TABLE = re.compile(r"/bigquery/v2/projects/([^/]+)/datasets/([^/]+)/tables/([^/]+)(/data)?")


def answer(cloud: Cloud, request: Request) -> Answer:
    """Answer ``tables.get`` and ``tabledata.list``."""
    match = _TABLE.fullmatch(request.path)
    if request.verb != "GET" or not match:
        raise masks.unimplemented(request)
    project, dataset, table, data = match.groups()
    rows = _rows(cloud, project, f"{dataset}.{table}")
    if rows is None:
        raise NotFoundError(f"Not found: Table {project}:{dataset}.{table}")
    if not data:
        return Answer.of(_described(project, dataset, table, len(rows)))
    start = int(request.parameters.get("startIndex", 0))
    count = int(request.parameters.get("maxResults", len(rows)))
    shown = [{"f": [_cell(row[name], type_) for name, type_, _ in COLUMNS]} for row in rows]
    return Answer.of(
        {
            "kind": "bigquery#tableDataList",
            "totalRows": str(len(rows)),
            "rows": shown[start : start + count],
        }
    )


def _rows(cloud: Cloud, project: str, table: str) -> list[dict[str, Any]] | None:
    for name, rows in cloud.tables.items():
        owner, _, rest = name.partition(".")
        if rest == table and number(owner) == number(project):
            return rows
    return None


def _described(project: str, dataset: str, table: str, rows: int) -> dict[str, Any]:
    fields = [{"name": name, "type": type_, "mode": mode} for name, type_, mode in COLUMNS]
    return {
        "kind": "bigquery#table",
        "id": f"{project}:{dataset}.{table}",
        "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table},
        "schema": {"fields": fields},
        "numRows": str(rows),
        "type": "TABLE",
    }


def _cell(value: Any, type_: str) -> dict[str, Any]:
    if type_ == "TIMESTAMP":
        return {"v": str(round(datetime.fromisoformat(value).timestamp() * 1e6))}
    if isinstance(value, list):
        return {"v": [{"v": item} for item in value]}
    return {"v": str(value)}
