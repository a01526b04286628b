"""Cloud Logging: what the model servers wrote, by `entries.list`."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tridock.emulators.gcp.protocol import listing
from tridock.emulators.gcp.protocol.errors import InvalidArgumentError, UnavailableError
from tridock.emulators.gcp.protocol.names import number
from tridock.emulators.gcp.state.records import State

#: Order of severities (google/logging/type/log_severity.proto).
SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT")
_TERM = re.compile(r'([\w.]+)\s*(>=|<=|!=|=~|=|:|>|<)\s*("(?:[^"\\]|\\.)*"|\S+)')


@dataclass(frozen=True)
class Source:
    """One server's log.

    Attributes
    ----------
    file : Path
        Its lines.
    log : str
        Name of the log below the project, e.g. ``"run.googleapis.com/stdout"``.
    resource : Mapping
        The monitored resource: type and labels.
    labels : Mapping of str to str
        Labels of every entry.
    started : str
        When the server was started: the time of lines that carry none.
    """

    file: Path
    log: str
    resource: Mapping[str, Any]
    labels: Mapping[str, str]
    started: str


@dataclass(frozen=True)
class Logs:
    """All logs of one emulated cloud; they outlive their servers.

    Attributes
    ----------
    root : Path
        Has a folder for each server.
    state : State
        Keeps what each is, in the order they began.
    """

    root: Path
    state: State

    def folder(self) -> Path:
        """Make the folder of one server's log and return it."""
        made = self.root / uuid.uuid4().hex[:12]
        made.mkdir(parents=True)
        return made

    def add(self, source: Source) -> None:
        """Have the entries of `source` listed from now on."""
        with self.state.lock, suppress(UnavailableError):
            self.state.logs[source.file.parent.name] = asdict(source) | {"file": source.file.name}
            self.state.commit()

    @property
    def sources(self) -> Iterator[Source]:
        """The sources in the order they began."""
        with self.state.lock:
            known = list(self.state.logs.items())
        for folder, record in known:
            yield Source(**record | {"file": self.root / folder / record["file"]})

    def list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``entries.list``: a page of the entries that the filter lets through.

        Raises
        ------
        InvalidArgumentError
            If the request names no resource, or its filter cannot be read.
        """
        projects = [name.split("/")[1] for name in request.get("resourceNames", [])]
        if not projects:
            raise InvalidArgumentError("Must specify at least one resource name.")
        wanted = _matcher(request.get("filter", ""))
        entries = [entry for entry in self._entries(set(projects)) if wanted(entry)]
        entries.sort(key=lambda entry: (entry["timestamp"], entry["insertId"]))
        if request.get("orderBy") == "timestamp desc":
            entries.reverse()
        paging = {"pageSize": 50} | {
            key: request[key] for key in ("pageSize", "pageToken") if key in request
        }
        return dict(listing.answer("entries", entries, paging))

    def _entries(self, projects: set[str]) -> Iterator[dict[str, Any]]:
        for source in self.sources:
            owner = source.resource["labels"].get("resource_container") or source.resource[
                "labels"
            ].get("project_id", "")
            project = next((p for p in projects if number(p) == number(owner)), None)
            if project is None or not source.file.exists():
                continue
            for index, line in enumerate(source.file.read_text(errors="replace").splitlines()):
                yield _entry(source, project, index, line)


def _entry(source: Source, project: str, index: int, line: str) -> dict[str, Any]:
    payload = _payload(line)
    stamp = payload.get("timestamp") or payload.get("time") or source.started
    severity = str(payload.get("severity") or payload.get("level") or "").upper()
    return {
        "logName": f"projects/{project}/logs/{source.log.replace('/', '%2F')}",
        "resource": source.resource,
        "labels": dict(source.labels),
        "timestamp": stamp if isinstance(stamp, str) else source.started,
        "receiveTimestamp": source.started,
        "severity": severity if severity in SEVERITIES else "INFO",
        "insertId": f"{source.file.parent.name}{index:08d}",
        "jsonPayload": payload,
    }


def _payload(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {"message": line}
    return record if isinstance(record, dict) else {"message": line}


def _matcher(text: str) -> Any:
    """Compile a filter: comparisons joined by AND or line breaks ("Logging query language")."""
    tests = []
    for part in re.split(r"\s+AND\s+|\n+", text.strip()):
        if not part.strip():
            continue
        terms = list(_TERM.finditer(part))
        if not terms or _TERM.sub("", part).strip():
            raise InvalidArgumentError(f"Unparseable filter: {part.strip()}")
        tests += [match.groups() for match in terms]
    return lambda entry: all(_holds(entry, *test) for test in tests)


def _holds(entry: Mapping[str, Any], path: str, comparator: str, quoted: str) -> bool:
    value = json.loads(quoted) if quoted.startswith('"') else quoted
    held: Any = entry
    for part in path.split("."):
        held = held.get(listing.camel(part), held.get(part)) if isinstance(held, dict) else None
    if held is None:
        return False
    if path == "severity":
        return _compare(SEVERITIES.index(held), comparator, SEVERITIES.index(str(value)))
    if path == "timestamp":
        return _compare(_time(str(held)), comparator, _time(str(value)))
    return _compare(str(held), comparator, str(value))


def _compare(held: Any, comparator: str, value: Any) -> bool:
    if comparator == ":":
        return str(value).lower() in str(held).lower()
    if comparator == "=~":
        return re.search(str(value), str(held)) is not None
    order: dict[str, bool] = {"=": held == value, "!=": held != value}
    order |= {">=": held >= value, "<=": held <= value, ">": held > value, "<": held < value}
    return order[comparator]


def _time(text: str) -> datetime:
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgumentError(f"Invalid timestamp: {text}") from None
    return made if made.tzinfo else made.replace(tzinfo=UTC)
