"""Common parts of Container Apps and Container Instances as targets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from typing_extensions import override

from tridock.deploy.azure.account import Account
from tridock.deploy.azure.blobs import StoredRemains
from tridock.deploy.azure.bundles import BlobNotes, Bundles
from tridock.deploy.azure.errors import translated
from tridock.deploy.azure.models import AzureModels
from tridock.deploy.target.errors import InvokeError, NotFoundError, UnsupportedError
from tridock.deploy.target.metrics import Answer
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Orphan
from tridock.inference.bundle.bundle import Bundle

#: Seconds in which a model may answer.
TIMEOUT = 240.0


@dataclass(frozen=True)
class ContainersTarget(Target):
    """Containers of one resource group, their bundles in the workspace's storage."""

    account: Account
    bundles: Bundles
    client: Any
    name: ClassVar[str] = "azure"

    @property
    @override
    def notes(self) -> BlobNotes:
        return BlobNotes(self.bundles)

    @property
    @override
    def models(self) -> AzureModels:
        """Azure ML's registry."""
        return AzureModels(self.account)

    @override
    def caller(self) -> str:
        return self.account.caller()

    @override
    def upload(self, bundle: Bundle) -> str:
        return self.bundles.upload(bundle)

    @override
    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        """And `limits`."""
        raise UnsupportedError(f"no copies of requests for {endpoint}: {self.limits['shadow']}")

    @override
    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        """And `limits`."""
        return ()

    @override
    def orphans(self) -> Sequence[Orphan]:
        return tuple(StoredRemains(self.bundles).found())

    @override
    def discard(self, orphan: Orphan) -> None:
        StoredRemains(self.bundles).discard(orphan)

    def _ask(self, url: str, body: bytes, *, operation: str) -> bytes:
        """Send a JSON request to an address that needs no key; raise `InvokeError` if it fails."""
        headers = {"Content-Type": "application/json"}
        with translated(operation):
            answer = self.account.http.post(url, content=body, headers=headers, timeout=TIMEOUT)
        if answer.is_error:
            status = answer.status_code
            text = f"the model answered {status}: {answer.text}"
            raise InvokeError(text, operation=operation, status=status)
        return answer.content

    def _find(self, endpoint: str) -> Any:
        with suppress(NotFoundError):
            return self._need(endpoint)
        return None

    @abstractmethod
    def _need(self, endpoint: str) -> Any:
        """Return what the service has of an endpoint; raise `NotFoundError` if it has nothing."""
