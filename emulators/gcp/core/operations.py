"""Long-running operations: begun at once, done after the service's time, polled meanwhile."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

from tridock.emulators.clock import Clock
from tridock.emulators.gcp.protocol.errors import (
    GcpError,
    InternalError,
    NotFoundError,
    UnavailableError,
)
from tridock.emulators.gcp.protocol.names import Record, canonical, now
from tridock.emulators.gcp.state.records import State

log = logging.getLogger(__name__)

Result = TypeVar("Result")

PREFIX = "type.googleapis.com/"
EMPTY: Mapping[str, Any] = {"@type": f"{PREFIX}google.protobuf.Empty"}


class EndingError(Exception):
    """The emulator ends: work that waits for the service's time stops here."""


@dataclass(frozen=True)
class Kind:
    """Progress of an operation while it runs.

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
    """Context of an operation's work: it reports and waits by it.

    Attributes
    ----------
    record : dict
        The operation.
    kind : Kind
        Form of its metadata.
    clock : Clock
        The service's time.
    state : State
        The resources that it changes.
    """

    record: Record
    kind: Kind
    clock: Clock
    state: State

    def wait(self, seconds: float, **metadata: Any) -> None:
        """Set the metadata, and let `seconds` of the service pass.

        Raises
        ------
        EndingError
            If the emulator ends meanwhile, or is reset.
        """
        self.say(**metadata)
        if not self.clock.sleep(seconds):
            raise EndingError
        self._check()

    def say(self, **metadata: Any) -> None:
        """Change the operation's metadata."""
        with self.state.lock:
            known = self.record["metadata"]
            times = known.setdefault("genericMetadata", {}) if self.kind.generic else known
            times.setdefault("createTime", now())
            times["updateTime"] = now()
            known.update(metadata)

    def change(self, apply: Callable[[], object]) -> None:
        """Change resources by `apply` before the operation is done, on disk at once.

        Raises
        ------
        EndingError
            If the emulator was reset.
        """
        with self.state.lock:
            self._check()
            self._applied(apply)
            self.state.commit()

    def finish(self, apply: Callable[[], Mapping[str, Any]], **metadata: Any) -> None:
        """Change resources by `apply` and end the operation with what it returns, in one step.

        Raises
        ------
        EndingError
            If the emulator was reset.
        """
        with self.state.lock:
            self._check()
            response = dict(self._applied(apply))
            self.say(**metadata)
            self.record.update(response=response, done=True)
            del self.state.works[canonical(self.record["name"])]
            self.state.commit()

    def fail(self, error: GcpError) -> None:
        """End the operation with an error."""
        with self.state.lock:
            if self.state.works.pop(canonical(self.record["name"]), None) is None:
                return
            self.record.pop("response", None)
            self.record.update(error={"code": error.number, "message": error.message}, done=True)
            self.state.commit()

    def _applied(self, apply: Callable[[], Result]) -> Result:
        try:
            return apply()
        except GcpError:
            self.state.revert()
            raise

    def _check(self) -> None:
        if canonical(self.record["name"]) not in self.state.works:
            raise EndingError


#: What an operation has to do, by arguments that can be written down. It ends with `finish`, or
#: raises a `GcpError`, which becomes the operation's error. After a kill it is done again from
#: its beginning.
Work: TypeAlias = Callable[[Progress, Record], None]


class Operations:
    """All operations of one emulated cloud.

    Parameters
    ----------
    clock : Clock
        The service's time.
    state : State
        Keeps them.

    Attributes
    ----------
    works : dict of str to Work
        What `begin` may name.
    """

    def __init__(self, clock: Clock, state: State) -> None:
        self._clock = clock
        self._state = state
        self.works: dict[str, Work] = {}

    def begin(self, parent: str, kind: Kind, work: str, arguments: Record) -> Record:
        """Return an operation that is not done yet; its work starts when it is on disk.

        Parameters
        ----------
        parent : str
            Name of the operation's parent resource.
        work : str
            One of `works`.
        arguments : dict
            What it is to be done with.
        """
        progress = self._made(parent, kind)
        self._state.works[canonical(progress.record["name"])] = {
            "work": work,
            "arguments": arguments,
            "metadata": kind.metadata,
            "generic": kind.generic,
        }
        self._state.later(partial(self._run, progress, work, arguments))
        return deepcopy(progress.record)

    def finished(self, parent: str, kind: Kind, response: Mapping[str, Any]) -> Record:
        """Return an operation that is done already."""
        record = self._made(parent, kind).record
        record.update(done=True, response=dict(response))
        return deepcopy(record)

    def resume(self) -> None:
        """Begin the works again that were under way when the emulator ended."""
        with self._state.lock:
            for name, work in self._state.works.items():
                kind = Kind(work["metadata"], work["generic"])
                record = self._state.operations.get(name) or _bare(name, kind)
                progress = Progress(record, kind, self._clock, self._state)
                log.info("%s goes on", name)
                arguments = deepcopy(work["arguments"])
                self._state.later(partial(self._run, progress, work["work"], arguments))
            self._state.commit()

    def get(self, name: str) -> Record:
        """Return the present state of one operation.

        Raises
        ------
        NotFoundError
            If there is none of that name.
        """
        with self._state.lock:
            if name not in self._state.operations:
                raise NotFoundError(f"Operation {name} not found.")
            return deepcopy(self._state.operations[name])

    def list(self, parent: str) -> list[Record]:
        """Return the operations below a resource, or below everything in a location."""
        with self._state.lock:
            known = self._state.operations.items()
            return [deepcopy(record) for name, record in known if name.startswith(parent)]

    def delete(self, name: str) -> None:
        """Forget one operation; what it does goes on."""
        with self._state.lock:
            self.get(name)
            del self._state.operations[name]
            self._state.commit()

    def _made(self, parent: str, kind: Kind) -> Progress:
        record = _bare(f"{parent}/operations/{secrets.randbelow(9 * 10**18) + 10**18}", kind)
        progress = Progress(record, kind, self._clock, self._state)
        progress.say()
        self._state.operations[canonical(record["name"])] = record
        return progress

    def _run(self, progress: Progress, work: str, arguments: Record) -> None:
        name = progress.record["name"]
        try:
            try:
                self.works[work](progress, arguments)
            except GcpError as error:
                progress.fail(error)
            except EndingError:
                return
            except Exception as error:
                log.exception("%s", name)
                progress.fail(InternalError(f"the emulator failed: {error!r}"))
        except UnavailableError as error:
            # It goes on at the next start, or when the client begins another one.
            log.error("%s: its end cannot be written: %s", name, error.message)


def _bare(name: str, kind: Kind) -> Record:
    return {"name": name, "metadata": {"@type": PREFIX + kind.metadata}, "done": False}
