"""Cloud Logging: the last lines that a model server wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.gcp.account import TIMEOUT_SECONDS, Account
from deploy.gcp.errors import of_status, translated

OPERATION = "logging:ListLogEntries"
URL = "https://logging.googleapis.com/v2/entries:list"


def last(account: Account, wanted: Mapping[str, str], *, lines: int) -> Sequence[str]:
    """Return the last `lines` lines of the entries whose fields are `wanted`, oldest first."""
    request = {
        "resourceNames": [f"projects/{account.project}"],
        "filter": " AND ".join(f'{key}="{value}"' for key, value in wanted.items()),
        "orderBy": "timestamp desc",
        "pageSize": lines,
    }
    with translated(OPERATION):
        answer = account.session.post(URL, json=request, timeout=TIMEOUT_SECONDS)
    if answer.status_code != 200:
        raise of_status(answer.status_code, answer.text, operation=OPERATION)
    entries = answer.json().get("entries", ())
    return tuple(_text(entry) for entry in reversed(entries))[-lines:]


def _text(entry: Mapping[str, Any]) -> str:
    payload = entry.get("jsonPayload", {})
    return str(entry.get("textPayload") or payload.get("message") or payload)
