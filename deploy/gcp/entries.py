"""Cloud Logging: lines that a model server wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tridock.deploy.gcp.account import TIMEOUT_SECONDS, Account
from tridock.deploy.gcp.errors import of_answer, translated

OPERATION = "logging:ListLogEntries"
URL = "https://logging.googleapis.com/v2/entries:list"
#: Entries of one answer; the service gives 1000 at most.
PAGE = 1000


def last(account: Account, wanted: Mapping[str, str], *, lines: int) -> Sequence[str]:
    """Return the last `lines` lines of the entries whose fields are `wanted`, oldest first."""
    page = _page(account, _filter(wanted), {"orderBy": "timestamp desc", "pageSize": lines})
    return tuple(_text(entry) for entry in reversed(page.get("entries", ())))[-lines:]


def events(
    account: Account, wanted: Mapping[str, str], since: datetime, *, event: str
) -> Iterator[str]:
    """Yield the structured lines of one `event` since a moment as JSON, in no certain order."""
    stamp = since.astimezone(UTC).isoformat()
    text = f'{_filter({**wanted, "jsonPayload.event": event})} AND timestamp>="{stamp}"'
    more: dict[str, Any] = {"pageSize": PAGE}
    while True:
        page = _page(account, text, more)
        for entry in page.get("entries", ()):
            # Logging agents take the time out of the line ("Structured logging").
            yield json.dumps({"time": entry.get("timestamp"), **entry["jsonPayload"]})
        if not page.get("nextPageToken"):
            return
        more["pageToken"] = page["nextPageToken"]


def _filter(wanted: Mapping[str, str]) -> str:
    return " AND ".join(f'{key}="{value}"' for key, value in wanted.items())


def _page(account: Account, text: str, more: Mapping[str, Any]) -> Any:
    request = {"resourceNames": [f"projects/{account.project}"], "filter": text, **more}
    with translated(OPERATION):
        answer = account.session.post(URL, json=request, timeout=TIMEOUT_SECONDS)
    if answer.status_code != 200:
        raise of_answer(answer, operation=OPERATION)
    return answer.json()


def _text(entry: Mapping[str, Any]) -> str:
    payload = entry.get("jsonPayload", {})
    return str(entry.get("textPayload") or payload.get("message") or payload)
