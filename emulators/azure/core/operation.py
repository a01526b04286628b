"""Long-running operations: started, polled by ``Azure-AsyncOperation`` or ``Location``, done.

Source: Azure Resource Manager, "Track asynchronous Azure operations".
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tridock.emulators.azure.core.resource import ResourceId, now
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, missing
from tridock.emulators.azure.http.front import REGION, Front
from tridock.emulators.clock import Clock

log = logging.getLogger(__name__)

#: Words of the polling addresses, by provider: one for the status, one for the result.
WORDS = {
    "microsoft.app": ("containerappOperationStatuses", "containerappOperationResults"),
    "microsoft.containerinstance": ("operations", "operationResults"),
}
DEFAULT_WORDS = ("mfeOperationsStatus", "mfeOperationResults")
STATUS_WORDS = {one.lower() for one, _ in (*WORDS.values(), DEFAULT_WORDS)}

#: Interval of polls that clients are given, in seconds of the service.
POLL = 5.0

#: The shortest interval of polls, in real seconds.
POLL_FLOOR = 0.1


@dataclass(frozen=True)
class Operation:
    """One piece of work that outlives its request.

    Attributes
    ----------
    target : ResourceId
        The resource it changes.
    id : str
        Name in the polling addresses.
    status : str
        ``"InProgress"``, ``"Succeeded"`` or ``"Failed"``.
    started, ended : str
        Times as Azure writes them; `ended` is empty while it runs.
    error : AzureError or None
        Why it failed.
    """

    target: ResourceId
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "InProgress"
    started: str = field(default_factory=now)
    ended: str = ""
    error: AzureError | None = None

    def view(self) -> dict[str, Any]:
        """Return the operation as answered to ``Azure-AsyncOperation``."""
        content: dict[str, Any] = {"id": self._path(0), "name": self.id}
        content |= {"status": self.status, "startTime": self.started}
        content |= {"endTime": self.ended} if self.ended else {}
        content |= {"error": self.error.as_json()} if self.error else {}
        return content

    def headers(self, front: Front, wait: str) -> dict[str, str]:
        """Return the headers that tell a client where to ask and after how many milliseconds."""
        return {
            "Azure-AsyncOperation": front.management + self._path(0),
            "Location": front.management + self._path(1),
            "x-ms-async-operation-timeout": "PT1H",
            "x-ms-retry-after-ms": wait,
        }

    def _path(self, which: int) -> str:
        word = WORDS.get(self.target.provider.lower(), DEFAULT_WORDS)[which]
        place = f"providers/{self.target.provider}/locations/{REGION}"
        version = "2022-02-01-preview"
        head = f"/subscriptions/{self.target.subscription}/{place}"
        return f"{head}/{word}/{self.id}?api-version={version}"


class Operations:
    """The operations of one emulator.

    Parameters
    ----------
    clock : Clock
        The service's time; polling follows it.
    """

    def __init__(self, clock: Clock) -> None:
        self._operations: dict[str, Operation] = {}
        self._lock = threading.Lock()
        self.wait = str(int(1000 * max(POLL_FLOOR, clock.real(POLL))))

    def start(self, target: ResourceId, work: Callable[[], object]) -> Operation:
        """Begin `work` on `target` and return at once.

        Parameters
        ----------
        work : Callable
            Raises `AzureError` to fail the operation with it.
        """
        operation = self._keep(Operation(target))
        threading.Thread(target=self._run, args=(operation, work), daemon=True).start()
        return operation

    def is_busy(self, target: ResourceId) -> bool:
        """Tell whether an operation on `target` is under way."""
        with self._lock:
            operations = list(self._operations.values())
        return any(
            operation.target.key == target.key and not operation.ended for operation in operations
        )

    def is_busy_below(self, target: ResourceId) -> bool:
        """Tell whether an operation on something below `target` is under way."""
        with self._lock:
            operations = list(self._operations.values())
        start = target.key + "/"
        return any(
            operation.target.key.startswith(start) and not operation.ended
            for operation in operations
        )

    def accept(self, operation: Operation, call: Call, content: object = None) -> Answer:
        """Answer the request that began `operation`: 202 without content, else 201."""
        headers = operation.headers(call.front, self.wait)
        return Answer(202 if content is None else 201, content, headers)

    def poll(self, call: Call, name: str) -> Answer:
        """Answer ``Azure-AsyncOperation``."""
        return Answer(200, self._find(name).view(), {"x-ms-retry-after-ms": self.wait})

    def result(self, call: Call, name: str) -> Answer:
        """Answer ``Location``: 202 while it runs, 204 when it is done, its error when it failed."""
        operation = self._find(name)
        if not operation.ended:
            return Answer(202, None, operation.headers(call.front, self.wait))
        if operation.error:
            raise operation.error
        return Answer(204)

    def clear(self) -> None:
        """Forget all operations."""
        with self._lock:
            self._operations.clear()

    def _run(self, operation: Operation, work: Callable[[], object]) -> None:
        error = None
        try:
            work()
        except AzureError as found:
            error = found
        except Exception:
            log.exception("operation on %s", operation.target.path)
            error = AzureError(500, "InternalServerError", "See the emulator's log.")
        status = "Failed" if error else "Succeeded"
        self._keep(replace(operation, status=status, ended=now(), error=error))

    def _keep(self, operation: Operation) -> Operation:
        with self._lock:
            self._operations[operation.id] = operation
        return operation

    def _find(self, name: str) -> Operation:
        with self._lock:
            operation = self._operations.get(name)
        if operation is None:
            raise missing(f"operation {name}")
        return operation
