"""Resources of one emulated cloud: in memory for its handlers, on disk before their answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping

from tridock.emulators.gcp.protocol.errors import UnavailableError
from tridock.emulators.gcp.protocol.names import Record
from tridock.emulators.gcp.state.database import Database, NotWrittenError

Key = tuple[str, str]


class State:
    """The resources, and what of them the database holds.

    Handlers change the mappings while they hold `lock`; `commit` writes what differs.

    Parameters
    ----------
    database : Database
        Keeps them.

    Attributes
    ----------
    models : dict
        Versions by number, by model name.
    endpoints, jobs, services, revisions, operations : dict
        Resources by name.
    works : dict
        What an operation that is not done still has to do, by the operation's name.
    logs : dict
        Sources of log entries, by the name of their folder.
    """

    def __init__(self, database: Database) -> None:
        self.lock = threading.RLock()
        self.models: dict[str, dict[str, Record]] = {}
        self.endpoints: dict[str, Record] = {}
        self.jobs: dict[str, Record] = {}
        self.services: dict[str, Record] = {}
        self.revisions: dict[str, Record] = {}
        self.operations: dict[str, Record] = {}
        self.works: dict[str, Record] = {}
        self.logs: dict[str, Record] = {}
        self._database = database
        self._saved: dict[Key, str] = {}
        self._later: list[Callable[[], object]] = []
        self._is_closed = False
        for kind in ("models", *self._kinds()):
            self._saved.update({(kind, name): text for name, text in database.load(kind)})
        self.revert()

    def later(self, work: Callable[[], object]) -> None:
        """Have `work` run in a thread once the change that needs it is on disk."""
        self._later.append(work)

    def commit(self) -> None:
        """Write what has changed, as one transaction, and start the work that follows from it.

        Raises
        ------
        UnavailableError
            If the disk does not take it; then memory is as before the change, too.
        """
        with self.lock:
            if self._is_closed:
                raise UnavailableError("The service is currently unavailable: the emulator ends.")
            texts = dict(self._texts())
            changes: list[tuple[str, str, str | None]] = [
                (*key, text) for key, text in texts.items() if self._saved.get(key) != text
            ]
            changes += [(*key, None) for key in self._saved if key not in texts]
            try:
                if changes:
                    self._database.write(changes)
            except NotWrittenError as error:
                self.revert()
                raise UnavailableError(f"The service is currently unavailable: {error}") from error
            self._saved = texts
            begun, self._later = self._later, []
        for work in begun:
            threading.Thread(target=work, daemon=True).start()

    def revert(self) -> None:
        """Make the resources what the database holds."""
        with self.lock:
            self._later.clear()
            for kind, resources in self._kinds().items():
                _restore(resources, self._of(kind))
            flat = dict(_flat(self.models))
            _restore(flat, self._of("models"))
            self.models.clear()
            for name in self._of("models"):
                model, _, number = name.rpartition("@")
                self.models.setdefault(model, {})[number] = flat[name]

    def clear(self) -> None:
        """Forget everything."""
        with self.lock:
            self._later.clear()
            self.models.clear()
            for resources in self._kinds().values():
                resources.clear()
            self.commit()

    def close(self) -> None:
        """Let nothing change any more: what the end of the emulator does is no change."""
        with self.lock:
            self._is_closed = True

    def _kinds(self) -> Mapping[str, dict[str, Record]]:
        return {
            "endpoints": self.endpoints,
            "jobs": self.jobs,
            "services": self.services,
            "revisions": self.revisions,
            "operations": self.operations,
            "works": self.works,
            "logs": self.logs,
        }

    def _of(self, kind: str) -> dict[str, str]:
        return {name: text for (other, name), text in self._saved.items() if other == kind}

    def _texts(self) -> Iterator[tuple[Key, str]]:
        for name, record in _flat(self.models):
            yield ("models", name), json.dumps(record)
        for kind, resources in self._kinds().items():
            for name, record in resources.items():
                key = (kind, name)
                # An operation that is done does not change any more.
                is_final = record.get("done") and '"done": true' in self._saved.get(key, "")
                yield key, self._saved[key] if is_final else json.dumps(record)


def _flat(models: Mapping[str, Mapping[str, Record]]) -> Iterator[tuple[str, Record]]:
    for name, versions in models.items():
        for number, version in versions.items():
            yield f"{name}@{number}", version


def _restore(resources: dict[str, Record], saved: Mapping[str, str]) -> None:
    """Change `resources` into what `saved` says; records that stay are the same objects."""
    for name in [name for name in resources if name not in saved]:
        del resources[name]
    for name, text in saved.items():
        record = resources.setdefault(name, {})
        is_running = record.get("done") is False  # its metadata is written with the next change
        if not is_running and json.dumps(record) != text:
            record.clear()
            record.update(json.loads(text))
