"""Long-running operations: begun at once, done after the service's time, polled meanwhile."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from emulators.clock import Clock
from emulators.gcp.errors import GcpError, InternalError, NotFoundError
from emulators.gcp.names import Record, canonical, now

log = logging.getLogger(__name__)

PREFIX = "type.googleapis.com/"
EMPTY: Mapping[str, Any] = {"@type": f"{PREFIX}google.protobuf.Empty"}


class EndingError(Exception):
    """The emulator ends: work that waits for the service's time stops here."""


@dataclass(frozen=True)
class Kind:
    """What an operation says of itself while it runs.

    Attributes
    ----------
    metadata : str
        Full name of its metadata's type.
    generic : bool
        Whether the times stand in a ``genericMetadata`` field, as in Vertex AI.
    """

    metadata: str
    generic: bool = True


@dataclass(frozen=True)
class Progress:
    """What the work of one operation reports to, and waits by.

    Attributes
    ----------
    record : dict
        The operation.
    kind : Kind
        Form of its metadata.
    clock : Clock
        The service's time.
    """

    record: Record
    kind: Kind
    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def wait(self, seconds: float, **metadata: Any) -> None:
        """Say what happens now, and let `seconds` of the service pass.

        Raises
        ------
        EndingError
            If the emulator ends meanwhile.
        """
        self.say(**metadata)
        if not self.clock.sleep(seconds):
            raise EndingError

    def say(self, **metadata: Any) -> None:
        """Change the operation's metadata."""
        with self._lock:
            known = self.record["metadata"]
            times = known.setdefault("genericMetadata", {}) if self.kind.generic else known
            times.setdefault("createTime", now())
            times["updateTime"] = now()
            known.update(metadata)


Work: TypeAlias = Callable[[Progress], Mapping[str, Any]]


class Operations:
    """All operations of one emulated cloud.

    Parameters
    ----------
    clock : Clock
        The service's time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, Record] = {}

    def begin(self, parent: str, kind: Kind, work: Work) -> Record:
        """Start `work` in a thread and return the operation, which is not done yet.

        Parameters
        ----------
        parent : str
            Name of the resource below which the operation stands.
        work : callable
            Returns the operation's response with its ``@type``; a `GcpError` that it raises
            becomes the operation's error.
        """
        progress = self._made(parent, kind)
        begun = deepcopy(progress.record)
        threading.Thread(target=self._run, args=(progress, work), daemon=True).start()
        return begun

    def finished(self, parent: str, kind: Kind, response: Mapping[str, Any]) -> Record:
        """Return an operation that is done already."""
        record = self._made(parent, kind).record
        record.update(done=True, response=dict(response))
        return deepcopy(record)

    def get(self, name: str) -> Record:
        """Return one operation as it stands.

        Raises
        ------
        NotFoundError
            If there is none of that name.
        """
        if name not in self._records:
            raise NotFoundError(f"Operation {name} not found.")
        return deepcopy(self._records[name])

    def list(self, parent: str) -> list[Record]:
        """Return the operations below a resource, or below everything in a location."""
        return [
            deepcopy(record) for name, record in self._records.items() if name.startswith(parent)
        ]

    def delete(self, name: str) -> None:
        """Forget one operation; what it does goes on."""
        self.get(name)
        del self._records[name]

    def clear(self) -> None:
        """Forget all operations."""
        self._records.clear()

    def _made(self, parent: str, kind: Kind) -> Progress:
        name = f"{parent}/operations/{secrets.randbelow(9 * 10**18) + 10**18}"
        record = {"name": name, "metadata": {"@type": PREFIX + kind.metadata}, "done": False}
        progress = Progress(record, kind, self._clock)
        progress.say()
        self._records[canonical(name)] = record
        return progress

    def _run(self, progress: Progress, work: Work) -> None:
        record = progress.record
        try:
            response = dict(work(progress))
        except EndingError:
            return
        except GcpError as error:
            self._fail(record, error)
        except Exception as error:
            log.exception("%s", record["name"])
            self._fail(record, InternalError(f"the emulator failed: {error!r}"))
        else:
            progress.say()
            record.update(response=response)
            record.update(done=True)

    def _fail(self, record: Record, error: GcpError) -> None:
        record.update(error={"code": error.number, "message": error.message})
        record.update(done=True)
